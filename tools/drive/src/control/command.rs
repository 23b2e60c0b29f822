//! What the control socket understands.
//!
//! Each command is an object with the member `command` and those of [`Command`]. Each answer is an object with the
//! member `ok`: true with what was asked for, or false with a text `error`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::desk::Verdict;
use crate::drive::Shared;
use crate::faults::Faults;

/// A command. Those that change faults answer what is in force then.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    /// Tells the faults in force.
    Show {},
    /// Changes some faults and leaves the others as they are; `null` switches one off.
    Set { faults: Map<String, Value> },
    /// Puts a whole plan into force.
    Replace { faults: Box<Faults> },
    /// Switches all faults off. The seed stays.
    Clear {},
    /// Lists the open connections.
    Connections {},
    /// Closes a connection.
    Close { connection: i64 },
    /// Resets a connection.
    Reset { connection: i64 },
    /// Sends an unsolicited status to one connection, or to all.
    Status {
        connection: Option<i64>,
        code: i32,
        #[serde(default)]
        text: String,
    },
}

/// Executes a line.
pub(super) fn execute(drive: &Shared, line: &[u8]) -> Value {
    let outcome = serde_json::from_slice(line).map_err(|error| error.to_string());
    match outcome.and_then(|command| carry_out(drive, command)) {
        Ok(mut members) => {
            members.insert("ok".to_owned(), true.into());
            Value::Object(members)
        }
        Err(error) => json!({ "ok": false, "error": error }),
    }
}

fn carry_out(drive: &Shared, command: Command) -> Result<Map<String, Value>, String> {
    log::info!("control: {command:?}");
    let plan = &drive.device().faults;
    let text = |error: std::io::Error| error.to_string();
    Ok(match command {
        Command::Show {} => member("faults", &*plan.get().0),
        Command::Set { faults } => member("faults", &plan.change(|plan| merged(plan, faults))?),
        Command::Replace { faults } => member("faults", &plan.change(|_| Ok::<_, String>(*faults))?),
        Command::Clear {} => member(
            "faults",
            &plan.change(|plan| Ok::<_, String>(Faults { seed: plan.seed, ..Faults::default() }))?,
        ),
        Command::Connections {} => member("connections", &drive.connection_infos()),
        Command::Close { connection } => {
            drive.end_connection(connection, Verdict::Close).map_err(text)?;
            Map::new()
        }
        Command::Reset { connection } => {
            drive.end_connection(connection, Verdict::Reset).map_err(text)?;
            Map::new()
        }
        Command::Status { connection, code, text: message } => {
            member("delivered", &drive.send_status(connection, code, &message).map_err(text)?)
        }
    })
}

/// `plan` with these members changed.
fn merged(plan: &Faults, changes: Map<String, Value>) -> Result<Faults, String> {
    let mut members = match serde_json::to_value(plan) {
        Ok(Value::Object(members)) => members,
        other => return Err(format!("the faults are no object: {other:?}")),
    };
    members.extend(changes);
    serde_json::from_value(Value::Object(members)).map_err(|error| error.to_string())
}

fn member(name: &str, value: &impl Serialize) -> Map<String, Value> {
    // Only maps with strange keys cannot be turned into JSON.
    let value = serde_json::to_value(value).unwrap_or(Value::Null);
    Map::from_iter([(name.to_owned(), value)])
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn parse(line: &str) -> Result<Command, serde_json::Error> {
        serde_json::from_str(line)
    }

    #[test]
    fn commands_are_objects_with_known_members() {
        assert_eq!(parse(r#"{"command": "show"}"#).unwrap(), Command::Show {});
        assert_eq!(
            parse(r#"{"command": "status", "code": 9}"#).unwrap(),
            Command::Status { connection: None, code: 9, text: String::new() }
        );
        for nonsense in [
            "",
            "3",
            "{}",
            r#"{"command": "dance"}"#,
            r#"{"command": "show", "faults": {}}"#,
            r#"{"command": "close"}"#,
            r#"{"command": "close", "connection": "one"}"#,
            r#"{"command": "status", "code": 9, "txt": ""}"#,
            r#"{"command": "replace", "faults": {"clsoe_at": 1}}"#,
        ] {
            parse(nonsense).unwrap_err();
        }
    }

    #[test]
    fn a_change_leaves_the_rest_alone() {
        let plan = Faults { close_at: NonZeroU64::new(3), early: true, seed: 5, ..Faults::default() };
        let Value::Object(changes) = json!({ "close_at": null, "half_at": 2 }) else { unreachable!() };
        let expected = Faults { half_at: NonZeroU64::new(2), early: true, seed: 5, ..Faults::default() };
        assert_eq!(merged(&plan, changes), Ok(expected));
        let Value::Object(changes) = json!({ "close_at": 0 }) else { unreachable!() };
        merged(&plan, changes).unwrap_err();
    }
}
