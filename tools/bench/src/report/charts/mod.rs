//! The charts, as SVG.

mod axis;
mod canvas;
mod connections;
mod latency;
mod sizes;

use std::error::Error;

use crate::results::{Results, Section};

/// A chart; without contents if there is nothing to show.
pub struct Chart {
    /// Its file.
    pub file: &'static str,
    /// What it shows.
    pub title: String,
    /// The file's contents.
    pub svg: Option<String>,
}

/// Draws all charts.
pub fn all(results: &Results) -> Result<[Chart; 4], Box<dyn Error>> {
    Ok([sizes::rate(results)?, sizes::cpu(results)?, latency::draw(results)?, connections::draw(results)?])
}

/// The driver and the baseline that the run is about.
fn names(results: &Results) -> (&str, &str) {
    let points = &results.points;
    let grid = points.iter().find(|point| point.section == Section::Grid);
    let names = grid.or(points.first()).map(|point| (point.driver.as_str(), point.baseline.as_str()));
    names.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::sample, results::Interval};

    fn drawn(results: &Results) -> Result<Vec<&'static str>, Box<dyn Error>> {
        let charts = all(results)?;
        Ok(charts.iter().filter(|chart| chart.svg.is_some()).map(|chart| chart.file).collect())
    }

    #[test]
    fn charts_without_points_are_left_out() -> Result<(), Box<dyn Error>> {
        let mut results = sample::results();
        assert_eq!(drawn(&results)?.len(), 4);
        results.points.retain(|point| point.section != Section::Grid);
        assert_eq!(drawn(&results)?, ["connections.svg"]);
        results.points.clear();
        assert!(drawn(&results)?.is_empty());
        Ok(())
    }

    #[test]
    fn a_single_point_can_be_drawn() -> Result<(), Box<dyn Error>> {
        for size in [0, 4096] {
            let mut results = sample::results();
            results.points.retain(|point| point.outstanding == 1 && point.size == size);
            results.points.dedup_by_key(|point| point.section);
            assert!(drawn(&results)?.len() >= 2);
        }
        Ok(())
    }

    #[test]
    fn what_is_no_number_is_not_drawn() -> Result<(), Box<dyn Error>> {
        let mut results = sample::results();
        let nothing = Interval { median: f64::NAN, low: f64::NAN, high: f64::INFINITY };
        for point in &mut results.points {
            point.ratio.rate = nothing;
            point.of_driver.p99_us = 0.0;
        }
        assert_eq!(drawn(&results)?, ["cpu-by-size.svg", "latency.svg", "connections.svg"]);
        assert!(all(&results)?.iter().flat_map(|chart| &chart.svg).all(|svg| !svg.contains("NaN")));
        Ok(())
    }
}
