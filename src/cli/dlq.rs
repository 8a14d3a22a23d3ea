//! `aspora dlq …`.

use std::fmt::Write as _;

use super::{
    Client, Exit,
    args::{Dlq as Verb, Letters, Redrive as Wanted, Shared},
    print::Printer,
    story::plain,
};
use crate::api::{DeadLetter, DeadLetters, Redrive, RedriveFilter, Redriven};

/// The most letters of one page.
const PAGE: usize = 100;

pub(super) async fn obey(client: &Client, printer: &Printer, verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::List(Letters { shared, limit }) => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let items = letters(client, &shared, limit).await?;
            printer.say(&table(&items), &DeadLetters { items, next_cursor: None })?;
            Ok(Exit::Done)
        }
        Verb::Redrive(wanted) => redrive(client, printer, wanted).await,
    }
}

/// Fails if one of them was refused; the others were redriven all the same.
async fn redrive(client: &Client, printer: &Printer, wanted: Wanted) -> anyhow::Result<Exit> {
    let mut body = Redrive { reason: wanted.reason, ..Redrive::default() };
    if wanted.ids.is_empty() {
        let seen = letters(client, &wanted.shared, usize::MAX).await?.len();
        let Shared { product, step, error_contains } = wanted.shared;
        body.filter = Some(RedriveFilter { product, step, error_contains, died_before: None });
        body.expect = Some(u32::try_from(seen)?);
        body.all = wanted.all;
    } else {
        body.ids = Some(wanted.ids);
    }
    let redriven = client.redrive(&body).await?;
    printer.say(&told(&redriven), &redriven)?;
    let refused = redriven.items.iter().filter(|letter| letter.done == "refused").count();
    anyhow::ensure!(refused == 0, "{refused} of {} dead letters were refused", redriven.items.len());
    Ok(Exit::Done)
}

async fn letters(client: &Client, shared: &Shared, limit: usize) -> anyhow::Result<Vec<DeadLetter>> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let size = PAGE.min(limit.saturating_sub(items.len()));
        let mut query = vec![("limit", size.to_string())];
        let pairs = [
            ("product", &shared.product),
            ("step", &shared.step),
            ("error_contains", &shared.error_contains),
        ];
        query.extend(pairs.iter().filter_map(|(name, value)| Some((*name, (*value).clone()?))));
        query.extend(cursor.map(|cursor: i64| ("cursor", cursor.to_string())));
        let page = client.dead_letters(&query).await?;
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() || items.len() >= limit {
            return Ok(items);
        }
    }
}

fn table(items: &[DeadLetter]) -> String {
    let mut text = String::new();
    for letter in items {
        let DeadLetter { id, run_id, product, step, attempts, error, died_at, .. } = letter;
        let at = died_at.format("%Y-%m-%d %H:%M:%S");
        let _ = writeln!(text, "{id:>6}  {at}  {run_id}  {product} {step} x{attempts}: {}", plain(error));
    }
    if text.is_empty() { "there are no dead letters".to_owned() } else { text }
}

fn told(redriven: &Redriven) -> String {
    let mut text = String::new();
    for letter in &redriven.items {
        let detail = letter.detail.as_deref().map(|detail| format!(": {}", plain(detail)));
        let _ = writeln!(text, "{:>6}  {}{}", letter.id, letter.done, detail.unwrap_or_default());
    }
    if text.is_empty() { "there was nothing to redrive".to_owned() } else { text }
}
