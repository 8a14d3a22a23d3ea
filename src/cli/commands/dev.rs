//! `aspora dev`: everything on this machine, until it is stopped.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::Args;
use url::Url;

use super::{Exit, options::ActAs};
use crate::{
    cli::{app::stop_on_signal, dev_server::DevServer, keyring, settings::Settings},
    core::requirement::{Invalid, ProductName},
    workspace::Sandbox,
};

/// The arguments of `aspora dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Port of the server; 0 picks a free port.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Data directory [default: `dev` in ASPORA_DATA].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What to act as at the GitHub twin.
    #[arg(long, value_enum, default_value_t = ActAs::App)]
    credential: ActAs,
    /// Add a product with a local git repository; can be repeated.
    #[arg(long, value_name = "NAME=DIR")]
    product: Vec<LocalProduct>,
    /// Commit a starter policy to the GitHub twin's copy of each `--product` that has none.
    #[arg(long, requires = "product")]
    starter_policy: bool,
    /// Port of the GitHub twin; 0 picks a free port.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    forge_port: u16,
}

/// A product whose repository is a directory on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LocalProduct {
    name: ProductName,
    folder: PathBuf,
}

impl FromStr for LocalProduct {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, folder)) if !folder.is_empty() => {
                let name = name.parse().map_err(|invalid: Invalid| invalid.message)?;
                Ok(Self { name, folder: folder.into() })
            }
            _ => Err("expected NAME=DIR, such as wealth=./wealth-product".to_owned()),
        }
    }
}

/// Runs database, server, worker and stand-ins until SIGTERM or Ctrl-C.
///
/// # Errors
/// When a part cannot start; the message says what to install, free or set.
pub(crate) async fn run(options: Dev) -> anyhow::Result<Exit> {
    let settings = Settings::from_env()?;
    let folder = options.data.unwrap_or_else(|| settings.data.join("dev"));
    let listen = SocketAddr::from(([127, 0, 0, 1], options.port));
    let acting = (options.credential.into(), options.forge_port);
    let stop = stop_on_signal()?;
    let server = DevServer::open(&settings, &folder, listen, acting, (Sandbox::find().await, stop)).await?;
    server.add_wealth().await?;
    let mut locals = Vec::new();
    for LocalProduct { name, folder } in &options.product {
        locals.push(server.add_local(name, folder, options.starter_policy).await?);
    }
    println!("Aspora runs on {} (data in {})", server.url, folder.display());
    let port = server.url.parse::<Url>().ok().and_then(|url| url.port()).unwrap_or(options.port);
    let left = keyring::leave(&settings.data, port, &server.key)?;
    println!(
        "Pages sign in by themselves on this machine, with all rights; the commands here find their key in {}",
        left.path().display()
    );
    println!("{}", server.describe_parts());
    println!("{}", server.describe_credential().await?);
    if let Some(people) = server.describe_people()? {
        println!("{people}");
    }
    for local in locals {
        println!("{local}");
    }
    if let Err(unavailable) = &server.sandbox {
        println!("{unavailable}");
    }
    println!(
        "Try: aspora requirement submit --server {} --product wealth --title 'Portfolio risk checker' \
         --body 'We need a portfolio risk checker for Wealth product' --watch",
        server.url
    );
    server.run().await?;
    drop(left);
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_product_is_a_name_and_a_directory() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<LocalProduct>().is_ok(), good, "{text}");
        check("wealth=./a=b", true);
        check("wealth", false);
        check("wealth=", false);
        check("Wealth=x", false);
    }
}
