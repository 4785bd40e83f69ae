//! `crate = …` sets the path by which the expansion finds the runtime crate.

pub extern crate scheduler as renamed;

mod inner {
    pub use renamed as within;

    #[renamed::job(crate = renamed)]
    pub fn by_name(n: u8) -> Result<u8, String> {
        Ok(n)
    }

    #[renamed::job(crate = crate::inner::within)]
    pub fn by_path() -> std::fmt::Result {
        Ok(())
    }

    #[renamed::job(crate = self::within)]
    pub fn by_self(n: u8) -> u8 {
        n
    }
}

#[renamed::main(crate = renamed)]
fn main() {
    drop(renamed::jobs![("a", inner::by_name(1)), ("b", inner::by_path), ("c", inner::by_self(1))]);
}

#[cfg(test)]
#[renamed::test(crate = renamed)]
fn a_test() {}
