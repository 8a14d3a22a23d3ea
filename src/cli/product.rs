//! `aspora product …`.

use std::fmt::Write as _;

use super::{Client, Exit, args::Product as Verb, print::Printer, story::plain};
use crate::api::Product;

pub(super) async fn obey(client: &Client, printer: &Printer, verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::List => {
            let all = client.products().await?;
            printer.say(&table(&all), &all)?;
        }
        Verb::Put(what) => {
            let product = Product {
                name: what.name,
                repository: what.repository,
                base_branch: what.base_branch,
                test_command: what.test_command,
                backlog: what.backlog,
                concurrency: what.concurrency,
            };
            let product = client.put_product(&product).await?;
            let text = format!("`{}` writes to {}.", plain(&product.name), plain(&product.repository));
            printer.say(&text, &product)?;
        }
    }
    Ok(Exit::Done)
}

fn table(products: &[Product]) -> String {
    if products.is_empty() {
        return "There are none.".to_owned();
    }
    let mut text = format!("{:<20} {:>8} {:>8}  REPOSITORY\n", "PRODUCT", "AT ONCE", "BACKLOG");
    for product in products {
        let number = |limit: Option<i32>| limit.map_or_else(|| "any".to_owned(), |most| most.to_string());
        let (at_once, backlog) = (number(product.concurrency), number(product.backlog));
        let (name, repository, base) =
            (plain(&product.name), plain(&product.repository), plain(&product.base_branch));
        let _ = writeln!(text, "{name:<20} {at_once:>8} {backlog:>8}  {repository} ({base})");
    }
    text
}
