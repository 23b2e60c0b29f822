//! A progress bar on stderr, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

/// A bar for so many bytes, or of a number of bytes that nobody knows yet.
pub fn bar(bytes: Option<u64>, output: Output) -> ProgressBar {
    if output.json {
        return ProgressBar::hidden();
    }
    let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = match bytes {
        Some(_) => "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{spinner} {bytes} {bytes_per_sec}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
