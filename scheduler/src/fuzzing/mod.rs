//! The properties of code that reads the bytes of another process, for the fuzz targets in `fuzz/`.
//!
//! It is compiled for `cargo fuzz` (`--cfg fuzzing`) and for the tests, which check the seeds, but not into a usual build.

mod frames;
mod messages;
#[cfg(feature = "remote")]
mod slots;
mod unwinding;

pub use frames::frames;
pub use messages::messages;
#[cfg(feature = "remote")]
pub use slots::slots;
pub use unwinding::unwinding;

/// Measures how much memory is allocated.
#[derive(Clone, Copy, Debug)]
pub struct MemoryMeter {
    /// Starts a measurement.
    pub start: fn(),
    /// Returns the peak since the start, in bytes.
    pub peak: fn() -> usize,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn check_seeds(target: &str, check: fn(&[u8], MemoryMeter)) {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !package.join("../Cargo.toml").exists() {
            // The published package has no seeds.
            return;
        }
        let seeds = fs::read_dir(package.join("../fuzz/seeds").join(target)).expect("it is a folder of ours");
        for seed in seeds {
            let path = seed.expect("it can be listed").path();
            check(&fs::read(path).expect("it is a file of ours"), MemoryMeter { start: || (), peak: || 0 });
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn the_properties_hold_for_all_seeds() {
        check_seeds("frames", frames);
        check_seeds("request", messages);
        #[cfg(feature = "remote")]
        check_seeds("slots", slots);
        check_seeds("unwind", unwinding);
    }
}
