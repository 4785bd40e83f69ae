//! Makes a thumbnail of every image in a folder: `cargo run -p with-crates --example thumbnails [FOLDER]`.
//!
//! The default folder, `images`, holds two good images, one that is truncated, and a decompression bomb: 300 KiB that
//! decode to 2.3 GiB. A decoder that is busy with such a file can't be stopped from within its process; as a job it can.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::{ImageError, ImageReader};
use scheduler::{Scheduler, default_follow_up_logger, job};
use serde::{Deserialize, Serialize};

const LARGEST: u32 = 96;

/// Width and height in pixels.
#[derive(Debug, Serialize, Deserialize)]
struct Size(u32, u32);

/// Writes a small copy of the image to `thumbnail`, and returns its size.
#[job]
fn shrink(image: PathBuf, thumbnail: PathBuf) -> Result<Size, ImageError> {
    let mut reader = ImageReader::open(image)?.with_guessed_format()?;
    // This decoder has good limits of its own. Many decoders have none.
    reader.no_limits();
    let small = reader.decode()?.thumbnail(LARGEST, LARGEST).into_rgb8();
    small.save(thumbnail)?;
    Ok(Size(small.width(), small.height()))
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn Error>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
    let folder = std::env::args_os().nth(1).map_or(own, PathBuf::from);
    let thumbnails = tempfile::tempdir()?;

    let mut jobs = Vec::new();
    for image in images(&folder)? {
        let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let thumbnail = thumbnails.path().join(&name).with_extension("png");
        jobs.push((name, shrink::job(image, thumbnail)));
    }

    let log_file = thumbnails.path().join("job_followups.log");
    let records = Scheduler::new()
        .timeout(Duration::from_secs(2))
        .concurrency(2)
        .on_timeout(|late| default_follow_up_logger(late.job_id(), late.reason(), late.elapsed(), &log_file))
        .run(jobs)?;

    println!("{:<16}{:<9}{:>8}{:>10}  result or error", "image", "status", "seconds", "peak MiB");
    for record in &records {
        let text = match record.result::<Size>() {
            Ok(Size(width, height)) => format!("{width}x{height}"),
            Err(_) => record.error().unwrap_or_default(),
        };
        println!(
            "{:<16}{:<9}{:>8.3}{:>10}  {text}",
            record.job_id(),
            record.status(),
            record.duration().as_secs_f64(),
            record.usage().peak_memory >> 20,
        );
    }
    if let Ok(log) = fs::read_to_string(&log_file) {
        println!("\nthe log of follow-ups:\n{log}");
    }
    Ok(())
}

/// Returns the images in `folder`, sorted.
fn images(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let is_image = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        ["png", "jpg", "jpeg"].contains(&extension.as_str())
    };
    let mut images: Vec<_> = files.into_iter().filter(is_image).collect();
    images.sort();
    Ok(images)
}
