//! `info`: what a drive says of itself.

use std::io::{self, Write};

use clap::Args;
use kinetic_drive::protocol::{Configuration, GetLog, Limits, LogType, MessageType};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    client::Client,
    failure::{Code, Result},
    output::Output,
    target::Target,
};

/// Arguments of `info`.
#[derive(Args)]
pub struct Info {
    /// With the drive's own recent messages
    #[arg(long)]
    messages: bool,
    #[command(flatten)]
    target: Target,
}

/// Sections, each with names and what they are: the same for people and for programs.
#[derive(Serialize)]
#[serde(transparent)]
struct Report(Map<String, Value>);

impl Info {
    /// Runs the subcommand.
    pub fn run(&self, output: Output) -> Result<()> {
        let mut client = Client::connect(&self.target)?;
        let mut report = Map::new();
        report.insert("drive".into(), json!(self.target.drive.to_string()));
        let greeting = client.greeting().cloned().unwrap_or_default();
        let mut sections = vec![
            ("configuration", LogType::Configuration),
            ("limits", LogType::Limits),
            ("capacity", LogType::Capacities),
            ("temperatures", LogType::Temperatures),
            ("utilizations", LogType::Utilizations),
            ("statistics", LogType::Statistics),
        ];
        if self.messages {
            sections.push(("messages", LogType::Messages));
        }
        for (name, log) in sections {
            // A drive may refuse one of them, to some or to all. What it has greeted with is known all the same.
            let log = match client.log(log) {
                Ok(log) => log,
                Err(failure) if failure.code == Code::Unreachable => return Err(failure),
                Err(failure) if !matches!(name, "configuration" | "limits") => {
                    report.insert(name.into(), json!({ "refused": failure.to_string() }));
                    continue;
                }
                Err(_) => greeting.clone(),
            };
            report.insert(name.into(), section(name, &log));
        }
        output.show(&Report(report.clone()), |out| text(out, &report))
    }
}

/// One section of a log.
fn section(name: &str, log: &GetLog) -> Value {
    match name {
        "configuration" => log.configuration.as_ref().map_or(Value::Null, configuration),
        "limits" => log.limits.as_ref().map_or(Value::Null, limits),
        "capacity" => log.capacity.as_ref().map_or(Value::Null, |capacity| {
            json!({
                "bytes": capacity.nominal_capacity,
                "full": capacity.portion_full,
            })
        }),
        "temperatures" => {
            let parts = log.temperatures.iter();
            parts
                .map(|part| (part.name.clone().unwrap_or_default(), json!(part.current)))
                .collect::<Map<_, _>>()
                .into()
        }
        "utilizations" => {
            let parts = log.utilizations.iter();
            parts
                .map(|part| (part.name.clone().unwrap_or_default(), json!(part.value)))
                .collect::<Map<_, _>>()
                .into()
        }
        "messages" => {
            json!(lossy(log.messages.as_deref()).unwrap_or_default())
        }
        _ => {
            let counted = log.statistics.iter().filter(|entry| entry.count.unwrap_or(0) > 0);
            let named = counted.map(|entry| {
                let number = entry.message_type.unwrap_or(-1);
                let name = MessageType::try_from(number)
                    .map_or_else(|_| number.to_string(), |kind| format!("{kind:?}"));
                (name, json!({ "count": entry.count, "bytes": entry.bytes }))
            });
            named.collect::<Map<_, _>>().into()
        }
    }
}

fn configuration(configuration: &Configuration) -> Value {
    json!({
        "vendor": configuration.vendor,
        "model": configuration.model,
        "serial_number": lossy(configuration.serial_number.as_deref()),
        "world_wide_name": lossy(configuration.world_wide_name.as_deref()),
        "version": configuration.version,
        "compilation_date": configuration.compilation_date,
        "protocol_version": configuration.protocol_version,
        "port": configuration.port,
        "tls_port": configuration.tls_port,
        "interfaces": configuration.interfaces.iter().map(|interface| json!({
            "name": interface.name,
            "ipv4": lossy(interface.ipv4_address.as_deref()),
            "ipv6": lossy(interface.ipv6_address.as_deref()),
            "mac": lossy(interface.mac.as_deref()),
        })).collect::<Vec<_>>(),
    })
}

fn limits(limits: &Limits) -> Value {
    json!({
        "key_bytes": limits.max_key_size,
        "value_bytes": limits.max_value_size,
        "version_bytes": limits.max_version_size,
        "tag_bytes": limits.max_tag_size,
        "message_bytes": limits.max_message_size,
        "connections": limits.max_connections,
        "outstanding_reads": limits.max_outstanding_read_requests,
        "outstanding_writes": limits.max_outstanding_write_requests,
        "keys_in_a_range": limits.max_key_range_count,
        "identities": limits.max_identity_count,
        "operations_in_a_batch": limits.max_operation_count_per_batch,
        "open_batches": limits.max_batch_count_per_device,
    })
}

/// Text as drives send it, some with the zero that ends it in C; nothing is `None`.
fn lossy(bytes: Option<&[u8]>) -> Option<String> {
    let text = String::from_utf8_lossy(bytes?).trim_end_matches('\0').to_owned();
    (!text.is_empty()).then_some(text)
}

/// For people: what is not known is left out.
fn text(out: &mut dyn Write, report: &Map<String, Value>) -> io::Result<()> {
    for (name, value) in report {
        match value {
            Value::Null => {}
            Value::Object(entries) => {
                let known: Vec<_> = entries.iter().filter(|(_, value)| !value.is_null()).collect();
                if !known.is_empty() {
                    writeln!(out, "{name}")?;
                }
                for (name, value) in known {
                    writeln!(out, "  {:<24} {}", name.replace('_', " "), plain(value))?;
                }
            }
            value => writeln!(out, "{:<26} {}", name, plain(value))?,
        }
    }
    Ok(())
}

/// A value in a line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Number(number) => match number.as_f64() {
            Some(fraction) if !number.is_u64() && !number.is_i64() => format!("{fraction:.3}"),
            _ => number.to_string(),
        },
        Value::Array(entries) => entries.iter().map(plain).collect::<Vec<_>>().join("; "),
        Value::Object(entries) => {
            let known = entries.iter().filter(|(_, value)| !value.is_null());
            known.map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(_) | Value::Null => value.to_string(),
    }
}

/// A drive's text must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}
