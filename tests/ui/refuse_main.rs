mod options {
    #[scheduler::main(timeout = "1s")]
    fn main() {}
}

mod arguments {
    #[scheduler::main]
    fn main<T>(arguments: Vec<T>) {}
}

mod qualifiers {
    #[scheduler::main]
    const unsafe extern "C" fn main() {}
}

mod asynchronous {
    #[scheduler::main]
    #[allow(unused)]
    async fn main() {}
}

mod twice {
    #[scheduler::main]
    #[scheduler::main]
    fn main() {}
}

#[scheduler::main]
struct Type;

#[scheduler::main]
fn start() {}

fn main() {}
