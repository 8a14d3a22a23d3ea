//! `aspora schedule …`.

use std::fmt::Write as _;

use super::{
    Client, Exit,
    args::schedule::{Schedule as Verb, SetSchedule},
    print::Printer,
    requirement::read,
    story::plain,
};
use crate::api::{NewSchedule, Schedule};

pub(super) async fn obey(client: &Client, printer: &Printer, verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::List => {
            let all = client.schedules().await?;
            printer.say(&table(&all), &all)?;
        }
        Verb::Show(which) => {
            let schedule = client.schedule(&which.name).await?;
            printer.say(&page(&schedule), &schedule)?;
        }
        Verb::Set(what) => {
            let SetSchedule { name, cron, product, title, body, priority, reason } = what;
            let new = NewSchedule { cron, product, title, body: read(body)?, priority, reason };
            let schedule = client.set_schedule(&name, &new).await?;
            printer.say(&next(&schedule), &schedule)?;
        }
        Verb::Pause(which) => {
            let schedule = client.hold_schedule(&which.name, "pause", which.reason).await?;
            printer.say(&next(&schedule), &schedule)?;
        }
        Verb::Resume(which) => {
            let schedule = client.hold_schedule(&which.name, "resume", which.reason).await?;
            printer.say(&next(&schedule), &schedule)?;
        }
        Verb::Remove(which) => {
            client.remove_schedule(&which.name).await?;
            let text = format!("Schedule `{}` is gone; what it has submitted stays.", which.name);
            printer.say(&text, &serde_json::json!({ "removed": which.name }))?;
        }
    }
    Ok(Exit::Done)
}

fn next(schedule: &Schedule) -> String {
    match schedule.next_at {
        Some(at) => format!("Schedule `{}` ticks next on {}.", schedule.name, at.format("%F at %R UTC")),
        None => format!("Schedule `{}` is paused.", schedule.name),
    }
}

fn table(schedules: &[Schedule]) -> String {
    if schedules.is_empty() {
        return "There are none; `aspora schedule set --help` says how one is set.".to_owned();
    }
    let mut text = format!("{:<24} {:<16} {:<20} {:<16} TITLE\n", "NAME", "NEXT (UTC)", "CRON", "PRODUCT");
    for schedule in schedules {
        let next = schedule.next_at.map_or_else(|| "paused".to_owned(), |at| at.format("%F %R").to_string());
        let Schedule { name, cron, product, title, .. } = schedule;
        let _ = writeln!(text, "{name:<24} {next:<16} {cron:<20} {product:<16} {}", plain(title));
    }
    text
}

fn page(schedule: &Schedule) -> String {
    let Schedule { cron, product, title, priority, updated_by, reason, updated_at, .. } = schedule;
    let mut text = format!(
        "{}\n{} (`{product}`, priority {priority}), by `{cron}` UTC\nset by {updated_by} on {}: {}\n",
        next(schedule),
        plain(title),
        updated_at.format("%F"),
        plain(reason)
    );
    for tick in schedule.ticks.iter().flatten() {
        let came = match (&tick.run_id, &tick.error) {
            (Some(run), _) => format!("run {run}"),
            (None, error) => format!("nothing: {}", plain(error.as_deref().unwrap_or_default())),
        };
        let missed =
            if tick.missed > 0 { format!(" (and {} missed before it)", tick.missed) } else { String::new() };
        let _ = writeln!(text, "{}  {came}{missed}", tick.at.format("%F %R"));
    }
    text
}
