//! `bench.json`: one point per line, so that two runs can be compared with diff.

use serde_json::to_string;

use crate::results::Results;

/// The file's contents.
pub fn of(results: &Results) -> serde_json::Result<String> {
    let Results { machine, plan, seconds, points } = results;
    let points = points.iter().map(to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(format!(
        "{{\n\"machine\": {},\n\"plan\": {},\n\"seconds\": {},\n\"points\": [\n{}\n]\n}}\n",
        to_string(machine)?,
        to_string(plan)?,
        to_string(seconds)?,
        points.join(",\n")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_str};

    use super::*;
    use crate::report::sample;

    #[test]
    fn says_what_the_results_say() -> serde_json::Result<()> {
        let results = sample::results();
        let written = of(&results)?;
        let value: Value = from_str(&written)?;
        assert_eq!(value, from_str::<Value>(&to_string(&results)?)?);
        assert_eq!(written.lines().count(), results.points.len() + 7);
        from_str::<Results>(&written).map(drop)
    }
}
