//! `aspora limit …`.

use std::fmt::Write as _;

use super::{Client, Exit, args::Limit as Verb, print::Printer, story::plain};
use crate::api::Limit;

pub(super) async fn obey(client: &Client, printer: &Printer, verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::List => {
            let all = client.limits().await?;
            printer.say(&table(&all), &all)?;
        }
        Verb::Set(what) => {
            let limit = client.set_limit(&what.key.key, what.most).await?;
            let text = format!("At most {} jobs with `{}` are worked on at once.", limit.most, what.key.key);
            printer.say(&text, &limit)?;
        }
        Verb::Remove(which) => {
            client.remove_limit(&which.key).await?;
            let text = format!("Any number of jobs with `{}` may be worked on at once.", which.key);
            printer.say(&text, &serde_json::json!({ "removed": which.key }))?;
        }
    }
    Ok(Exit::Done)
}

fn table(limits: &[Limit]) -> String {
    if limits.is_empty() {
        return "There are none, and nothing is worked on.".to_owned();
    }
    let mut text = format!("{:>6} {:>6}  KEY\n", "HELD", "MOST");
    for limit in limits {
        let most = limit.most.map_or_else(|| "any".to_owned(), |most| most.to_string());
        let _ = writeln!(text, "{:>6} {most:>6}  {}", limit.held, plain(&limit.key));
    }
    text
}
