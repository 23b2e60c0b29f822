//! What a run leaves behind: `bench.json`, `bench.md` and the charts.

mod charts;
mod json;
mod markdown;
#[cfg(test)]
mod sample;
mod targets;
mod text;

use std::{error::Error, fs, io, path::Path};

pub use targets::{doubtful, failed};

use crate::results::Results;

/// Writes everything into `directory`.
///
/// A chart that has nothing to show is left out, and one that an earlier run has left there is removed.
pub fn write(results: &Results, directory: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    let mut shown = Vec::new();
    for chart in charts::all(results)? {
        let path = directory.join(chart.file);
        match chart.svg {
            Some(svg) => {
                fs::write(path, svg)?;
                shown.push((chart.file, chart.title));
            }
            None => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            },
        }
    }
    fs::write(directory.join("bench.json"), json::of(results)?)?;
    fs::write(directory.join("bench.md"), markdown::of(results, &shown))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Section;

    #[test]
    fn writes_what_there_is_and_removes_stale_charts() -> Result<(), Box<dyn Error>> {
        let directory = std::env::temp_dir().join(format!("ktli-bench-report-{}", std::process::id()));
        let mut results = sample::results();
        write(&results, &directory)?;
        assert!(directory.join("connections.svg").exists());
        results.points.retain(|point| point.section != Section::Connections);
        write(&results, &directory)?;
        let mut names = fs::read_dir(&directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        fs::remove_dir_all(&directory)?;
        assert_eq!(names, ["bench.json", "bench.md", "cpu-by-size.svg", "latency.svg", "rate-by-size.svg"]);
        Ok(())
    }
}
