//! `aspora dev`: a whole factory on this machine, until it is told to stop.

use std::{net::SocketAddr, path::PathBuf};

use super::{home::Home, house::stop_on_signal, settings::Settings};
use crate::core::requirement::ProductName;

/// What `aspora dev` may be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port of the server on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// Where everything is kept; the data home's `dev` unless said.
    pub data: Option<PathBuf>,
    /// Git repositories of this machine that shall be products'.
    pub products: Vec<(ProductName, PathBuf)>,
}

/// Runs a factory until SIGTERM or Ctrl-C.
///
/// # Errors
/// When a part cannot start; the message says what to install, free or set.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let settings = Settings::from_env()?;
    let folder = options.data.unwrap_or_else(|| settings.data.join("dev"));
    let stop = stop_on_signal()?;
    let home = Home::open(&settings, &folder, SocketAddr::from(([127, 0, 0, 1], options.port)), stop).await?;
    home.add_wealth().await?;
    for (name, repository) in &options.products {
        home.add_local(name, repository).await?;
    }
    println!("Aspora runs on {} (data in {})", home.url, folder.display());
    println!("{}", home.stand_ins());
    if let Err(unavailable) = &home.sandbox {
        println!("{unavailable}");
    }
    println!(
        "Try: aspora requirement submit --server {} --product wealth --title 'Portfolio risk checker' \
         --body 'We need a portfolio risk checker for Wealth product' --watch",
        home.url
    );
    home.run().await
}
