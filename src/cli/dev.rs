//! `aspora dev`: a whole factory on this machine, until it is told to stop.

use std::net::SocketAddr;

use super::{app::stop_on_signal, args::Dev, home::DevServer, settings::Settings};

/// Runs a factory until SIGTERM or Ctrl-C.
///
/// # Errors
/// When a part cannot start; the message says what to install, free or set.
pub(super) async fn run(options: Dev) -> anyhow::Result<()> {
    let settings = Settings::from_env()?;
    let folder = options.data.unwrap_or_else(|| settings.data.join("dev"));
    let stop = stop_on_signal()?;
    let home =
        DevServer::open(&settings, &folder, SocketAddr::from(([127, 0, 0, 1], options.port)), stop).await?;
    home.add_wealth().await?;
    for product in &options.product {
        home.add_local(&product.name, &product.folder).await?;
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
