//! Jobs in modules, function bodies and generic functions, with types that can't be named elsewhere.

use scheduler::{job, jobs};

mod private {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Hidden(u8);

    #[scheduler::job]
    fn hide(hidden: Hidden) -> Hidden {
        Hidden(hidden.0)
    }

    pub fn call() {
        drop(scheduler::jobs![("hide", hide(Hidden(1)))]);
    }
}

fn in_a_body() {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Local(u8);

    #[job]
    fn local(local: Local) -> Result<Local, String> {
        Ok(local)
    }

    drop(jobs![("local", local(Local(1)))]);
    {
        #[job]
        fn local() -> u8 {
            1
        }
        drop(jobs![("another of that name", { local::job() })]);
    }
    let closure = || {
        #[job]
        fn in_a_closure() {}
        jobs![("in a closure", in_a_closure)]
    };
    drop(closure());
}

fn in_a_generic_body<T>(_: T) {
    #[job]
    fn not_generic() {}
    drop(jobs![("not generic", not_generic)]);
}

struct Holder;

impl Holder {
    fn in_a_method(&self) {
        #[job]
        fn in_method() {}
        drop(jobs![("in a method", in_method)]);
    }
}

#[scheduler::main]
fn main() {
    private::call();
    in_a_body();
    in_a_generic_body(1);
    Holder.in_a_method();
}
