//! The CLI's entry: reads the arguments and hands over.

use aspora::cli;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("worker") => cli::worker::run(None).await,
        Some("serve") => cli::serve::run(None, None).await,
        verb => anyhow::bail!("unknown verb {verb:?}"),
    }
}
