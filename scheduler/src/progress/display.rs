//! The lines of a progress bar as text.

use std::time::Duration;

use console::{Style, measure_text_width, strip_ansi_codes, truncate_str};

use super::tally::{Counts, JobLine, LineKind, Tally};
use crate::escape::OneLine;
use crate::outcome::{Attempt, Status};
use crate::record::Record;

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) width: u16,
    pub(super) height: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    Ansi,
    None,
}

impl Colors {
    fn paint(self, style: Style, text: impl std::fmt::Display) -> String {
        match self {
            Self::Ansi => style.force_styling(true).apply_to(text).to_string(),
            Self::None => text.to_string(),
        }
    }
}

/// The most running jobs that have a line.
const MOST_JOBS: usize = 8;

/// The widest id of a running job.
const ID_WIDTH: usize = 32;

/// The widest id, and the widest error, in a line that stays.
const LASTING_ID_WIDTH: usize = 100;
const ERROR_WIDTH: usize = 240;

/// The fewest rows of a terminal on which a bar is drawn: that of the cursor, its own, and one for what was above.
const LEAST_ROWS: u16 = 3;

/// Returns the lines that are drawn, each no wider than the screen, and not more than it has room for.
pub(super) fn frame(tally: &Tally, screen: Screen, colors: Colors) -> Vec<String> {
    if screen.height < LEAST_ROWS {
        return Vec::new();
    }
    // A line of the full width would make some terminals wrap.
    let width = usize::from(screen.width).saturating_sub(1).max(1);
    let rest = numbers(tally, colors);
    let bar_width = width.saturating_sub(measure_text_width(&rest) + 2).min(30);
    let fraction = ratio(tally.counts.done(), tally.total());
    let first = if bar_width >= 8 { format!("{}  {rest}", bar(bar_width, fraction, colors)) } else { rest };
    // One line stays for the cursor, and one for what was above.
    let room = usize::from(screen.height).saturating_sub(3).min(MOST_JOBS);
    let mut lines = vec![first];
    let count = tally.running.len();
    let shown = if count > room { room.saturating_sub(1) } else { count };
    let ids = tally.running.values().take(shown).map(|job| measure_text_width(&OneLine(&job.id).to_string()));
    let id_width = ids.max().unwrap_or_default().min(ID_WIDTH);
    lines.extend(tally.running.values().take(shown).map(|job| running(job, id_width, colors)));
    if count > shown && room > 0 {
        lines.push(colors.paint(Style::new().dim(), format_args!("  and {} more", count - shown)));
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

/// Returns a text that is shortened to a width, however a terminal measures it: some show several characters, such as those of a
/// flag or a family, as one, and others add up their widths.
fn cut(text: &str, width: usize) -> String {
    let mut limit = width;
    loop {
        let cut = truncate_str(text, limit, "…");
        let apart: usize = strip_ansi_codes(&cut).chars().map(char_width).sum();
        if apart.max(measure_text_width(&cut)) <= width || limit <= 1 {
            return cut.into_owned();
        }
        limit -= 1;
    }
}

fn char_width(character: char) -> usize {
    measure_text_width(character.encode_utf8(&mut [0; 4]))
}

/// Returns a foreign text on one line, shortened to a width. Of a long one, only the beginning is looked at.
fn short(text: &str, width: usize) -> String {
    let beginning: String = text.chars().take(width * 4).collect();
    cut(&OneLine(&beginning).to_string(), width)
}

/// Returns the line with the numbers.
pub(super) fn numbers(tally: &Tally, colors: Colors) -> String {
    let counts = tally.counts;
    let mut parts = vec![format!("{}/{}", counts.done(), tally.total())];
    parts.extend(failures(counts, colors));
    parts.push(format!("{} running", tally.running.len()));
    if !tally.retrying.is_empty() {
        parts.push(format!("{} to retry", tally.retrying.len()));
    }
    let elapsed = clock(tally.elapsed());
    parts.push(match tally.time_left() {
        Some(left) if counts.done() < tally.total() => format!("{elapsed}, about {} left", clock(left)),
        _ => elapsed,
    });
    parts.join("  ")
}

fn failures(counts: Counts, colors: Colors) -> Vec<String> {
    let part =
        |count: u64, what: &str, style: Style| (count > 0).then(|| colors.paint(style, format_args!("{count} {what}")));
    let parts = [
        part(counts.failed, "failed", Style::new().red().bold()),
        part(counts.timed_out, "timed out", Style::new().yellow().bold()),
        part(counts.cancelled, "cancelled", Style::new().dim()),
    ];
    parts.into_iter().flatten().collect()
}

/// Returns the line of the whole run, after its end.
pub(super) fn summary(tally: &Tally) -> String {
    let counts = tally.counts;
    let mut parts = vec![format!("{} ok", counts.ok)];
    parts.extend(failures(counts, Colors::None));
    if counts.flaky > 0 {
        parts.push(format!("{} flaky", counts.flaky));
    }
    let unfinished = tally.total() - counts.done();
    if unfinished > 0 {
        parts.push(format!("{unfinished} not finished"));
    }
    let jobs = if tally.total() == 1 { "job" } else { "jobs" };
    format!("{} {jobs} in {}: {}", tally.total(), clock(tally.elapsed()), parts.join(", "))
}

/// Returns the line of a running job.
fn running(job: &JobLine, id_width: usize, colors: Colors) -> String {
    let id = OneLine(&job.id).to_string();
    let id = cut(&id, id_width);
    let padding = id_width.saturating_sub(measure_text_width(&id));
    let mut line = format!("  {id}{:padding$}  {:>5}", "", clock(job.clock.elapsed()));
    if let Some((done, total)) = job.progress.filter(|(_, total)| *total > 0) {
        let fraction = ratio(done, total);
        line = format!("{line}  {}  {:>3.0} %", bar(10, fraction, colors), fraction * 100.0);
    }
    if job.attempt > 1 {
        line.push_str(&colors.paint(Style::new().magenta(), format_args!("  attempt {}", job.attempt)));
    }
    if job.kind == LineKind::FollowUp {
        line.push_str(&colors.paint(Style::new().dim(), format_args!("  follow-up {}", job.job)));
    }
    if !job.message.is_empty() {
        line.push_str(&colors.paint(Style::new().dim(), format_args!("  {}", OneLine(&job.message))));
    }
    line
}

/// Returns the line of a job that failed, with its name if it is a follow-up.
pub(super) fn failure(record: &Record, follow_up: Option<&str>, colors: Colors) -> String {
    let error = short(&record.error().unwrap_or_default(), ERROR_WIDTH);
    let (what, style) = match record.status() {
        Status::Timeout => ("timed out", Style::new().yellow().bold()),
        _ => ("failed", Style::new().red().bold()),
    };
    let what = colors.paint(style, format_args!("{what:>9}"));
    let (id, time) = (short(record.job_id(), LASTING_ID_WIDTH), clock_precise(record.duration()));
    let follow_up = follow_up.map(|job| format!("follow-up {job}  ")).unwrap_or_default();
    format!("{what}  {id}  {follow_up}{time}  {error}")
}

/// Returns the line of a job that is tried again.
pub(super) fn retry(job_id: &str, attempt: &Attempt, delay: Duration, colors: Colors) -> String {
    let what = colors.paint(Style::new().magenta(), "    retry");
    let (id, number) = (short(job_id, LASTING_ID_WIDTH), attempt.number() + 1);
    let error = short(&attempt.error().unwrap_or_default(), ERROR_WIDTH);
    let when = if delay.is_zero() { "now".to_owned() } else { format!("in {delay:.0?}") };
    format!("{what}  {id}  {}  {error}; attempt {number} {when}", clock_precise(attempt.duration()))
}

#[expect(clippy::cast_precision_loss, reason = "it is drawn with some thirty characters")]
fn ratio(done: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { (done as f64 / total as f64).min(1.0) }
}

fn bar(width: usize, fraction: f64, colors: Colors) -> String {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of a small width"
    )]
    let halves = (fraction * (width * 2) as f64).round() as usize;
    let (full, half) = (halves / 2, halves % 2);
    let filled = format!("{}{}", "━".repeat(full), "╸".repeat(half));
    let empty = "─".repeat(width - full - half);
    format!("{}{}", colors.paint(Style::new().cyan(), filled), colors.paint(Style::new().dim(), empty))
}

/// Returns a time as a clock shows it: `0:07`, `12:30`, `1:02:03`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

fn clock_precise(time: Duration) -> String {
    if time < Duration::from_secs(60) { format!("{:.2} s", time.as_secs_f64()) } else { clock(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let mut tally = Tally::default();
        for _ in 0..12 {
            tally.queue("f");
        }
        for key in 0..10 {
            tally.start(key, LineKind::Job, "an id\nwith ünïcode 東京", "f", u32::from(key == 3) + 1);
        }
        tally.change(0, |job| job.progress = Some((1, 2)));
        tally.change(1, |job| "at work\x1b[31m".clone_into(&mut job.message));
        tally.counts.failed = 1;
        tally
    }

    #[test]
    fn no_line_is_wider_than_the_screen_and_all_have_room() {
        let tally = tally();
        for colors in [Colors::Ansi, Colors::None] {
            for width in [1, 2, 9, 20, 40, 80, 200] {
                for height in [0, 1, 3, 4, 6, 24] {
                    let lines = frame(&tally, Screen { width, height }, colors);
                    let widest = lines.iter().map(|line| measure_text_width(line)).max();
                    assert!(widest < Some(usize::from(width).max(2)), "{width}: {lines:?}");
                    assert!(lines.len() <= usize::from(height).saturating_sub(2), "{height}: {lines:?}");
                }
            }
        }
    }

    #[test]
    fn a_text_has_room_on_terminals_that_show_characters_joined_and_on_those_that_do_not() {
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        for text in
            [family.repeat(9), format!("\x1b[1m{family}a{family}\x1b[0m"), "❤\u{fe0f}".repeat(30), "x".repeat(50)]
        {
            for width in [1, 2, 7, 20] {
                let shown = cut(&text, width);
                let apart: usize = strip_ansi_codes(&shown).chars().map(char_width).sum();
                assert!(apart <= width && measure_text_width(&shown) <= width, "{width}: {shown:?}");
            }
        }
        assert_eq!(cut(family, 8), family);
    }

    #[test]
    fn long_ids_are_shortened() {
        let mut tally = Tally::default();
        tally.queue("f");
        tally.start(0, LineKind::Job, &"x".repeat(1 << 20), "f", 1);
        assert!(tally.running[&0].id.len() < 1000);
        assert_eq!(measure_text_width(&short(&"東\n".repeat(1 << 20), LASTING_ID_WIDTH)), LASTING_ID_WIDTH);
    }

    #[test]
    fn a_job_can_print_no_escape_sequence() {
        let lines = frame(&tally(), Screen { width: 200, height: 24 }, Colors::None);
        assert!(!lines.concat().contains(char::is_control), "{lines:?}");
        assert!(lines[1].starts_with("  an id\\nwith ünïcode 東京   0:00  ━━━━━─────   50 %"), "{lines:?}");
        assert!(lines[2].ends_with(r"at work\u{1b}[31m"), "{lines:?}");
        assert!(lines[4].contains("attempt 2"), "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("  and 3 more"));
    }

    #[test]
    fn the_numbers_of_a_run_are_in_one_line() {
        let tally = tally();
        assert_eq!(numbers(&tally, Colors::None), "1/12  1 failed  10 running  0:00");
        assert_eq!(summary(&tally), "12 jobs in 0:00: 0 ok, 1 failed, 11 not finished");
    }

    #[test]
    fn a_follow_up_has_a_line_and_is_not_counted() {
        let mut tally = Tally::default();
        tally.queue("f");
        tally.start(0, LineKind::FollowUp, "a", "analyse", 1);
        let lines = frame(&tally, Screen { width: 200, height: 24 }, Colors::None);
        assert!(lines[0].contains("  0/1  1 running") && lines[1].ends_with("  follow-up analyse"), "{lines:?}");
        tally.stop(0, LineKind::FollowUp, "analyse");
        assert_eq!(numbers(&tally, Colors::None), "0/1  0 running  0:00");
    }

    #[test]
    fn a_time_is_written_as_a_clock_shows_it() {
        let texts = [7, 750, 3723].map(|seconds| clock(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0:07", "12:30", "1:02:03"]);
    }
}
