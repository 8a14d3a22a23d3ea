//! `aspora demo --all`: three new products, each from `product init` through its requirements to their merges, side by side;
//! then an incident of one of the changes, to the merged case.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Client, Exit, Printer, init},
    Marker, figures,
    outcome::{Product, Summary},
    stage::{Incident, Part, Stage},
};
use crate::{
    cli::{board::Board, dev_server::DevServer},
    core::words::counted,
    dev::{
        set_up,
        showcase::{ALL, GOALS, Showcase, TRADING},
        templates::Template,
    },
    workspace::{Sandbox, Unavailable},
};

/// What can be done where set-up fails.
const WITHOUT_SET_UP: &str = "set-up needs a registry of Python packages: PyPI, or the one that PIP_INDEX_URL or \
                              pip.conf names. `aspora demo`, without --all, needs none";

/// The page that a demo ends with.
const DASHBOARD: &str = "/dashboard";

const INTERRUPTED: &str = "interrupted; run it again to continue";

/// The rows of the board: the first requirement of each product, the further ones of wealth, and its incident.
const ROWS: usize = REQUIREMENTS + 1;
/// How many requirements there are.
const REQUIREMENTS: usize = ALL.len() + 2;
/// How many keys a marker has: one for each requirement, and one for the incident.
pub(super) const KEYS: usize = REQUIREMENTS + 1;

/// The products before their requirements.
pub(super) struct Prepared {
    folders: Vec<PathBuf>,
    sandbox: Sandbox,
    set_up: Duration,
}

/// Makes the products and their set-up.
///
/// # Errors
/// When there is no sandbox or set-up fails, with the way out, or it is interrupted.
pub(super) async fn prepare(
    folder: &Path,
    sandbox: &Result<Sandbox, Unavailable>,
    printer: &Printer,
    stop: &CancellationToken,
) -> anyhow::Result<Prepared> {
    let sandbox = match sandbox {
        Ok(sandbox) => sandbox.clone(),
        Err(unavailable) => bail!(
            "--all runs the products' own tests and services in the sandbox. {unavailable}. \
             `aspora demo`, without --all, does without"
        ),
    };
    let folders = ALL.iter().map(|it| make(folder, it)).collect::<anyhow::Result<Vec<_>>>()?;
    let place = folder.join("products");
    printer.aside(&format!(
        "`product init --template fastapi` made the three products in {}",
        place.display()
    ))?;
    printer.aside("set-up: pip installs what their tests need into one layer of the sandbox, by the same dependency files")?;
    let began = Instant::now();
    let work = async {
        for (folder, it) in folders.iter().zip(&ALL) {
            if let Err(said) = set_up(&sandbox, folder).await {
                bail!("{}: {said}\n{WITHOUT_SET_UP}", it.name);
            }
        }
        Ok(())
    };
    tokio::select! {
        done = work => done?,
        () = stop.cancelled() => bail!("{INTERRUPTED}"),
    }
    let set_up = began.elapsed();
    printer.aside(&format!("set-up took {}", seconds(set_up)))?;
    Ok(Prepared { folders, sandbox, set_up })
}

/// Follows the requirements of the products; also the path of the page to look at.
///
/// # Errors
/// When the parts that it needs are not there, or it is interrupted.
pub(super) async fn follow(
    server: &DevServer,
    prepared: Prepared,
    marker: &Marker,
    (printer, began): (&Printer, Instant),
    stop: CancellationToken,
) -> anyhow::Result<(Exit, String)> {
    let Prepared { folders, sandbox, set_up } = prepared;
    let client = Client::new(&server.url.parse()?, Some(server.key.reveal()))?;
    let stage = Stage { server, sandbox, client, board: Board::new(*printer, &rows()) };
    add(&stage, &folders).await?;
    let products = tokio::select! {
        products = products(&stage, marker) => products?,
        Err(error) = stage.board.redraw() => return Err(error),
        () = stop.cancelled() => bail!("{INTERRUPTED}"),
    };
    let (figures, uncounted) = figures::figures(&stage.client).await?;
    let wall = began.elapsed();
    for product in &products {
        printer.aside(&product.text())?;
    }
    let dashboard = format!("{}{DASHBOARD}", server.url);
    printer.aside(&figures::text(&figures, uncounted, &dashboard))?;
    let (three, wall_text) = (counted(products.len(), "product"), seconds(wall));
    printer.aside(&format!("\n{three} in {wall_text}, set-up {}", seconds(set_up)))?;
    let (set_up_ms, wall_ms) = (set_up.as_millis(), wall.as_millis());
    let summary = Summary { products, figures, dashboard, set_up_ms, wall_ms };
    printer.result(&summary)?;
    let is_good = summary.products.iter().all(Product::is_good);
    Ok((if is_good { Exit::Success } else { Exit::RunNotSucceeded }, DASHBOARD.to_owned()))
}

/// Adds the products, as `dev --product` does.
async fn add(stage: &Stage<'_>, folders: &[PathBuf]) -> anyhow::Result<()> {
    if stage.server.stand_ins.twin().is_none() {
        bail!("--all needs the GitHub twin, whose people approve: unset GITHUB_APP_ID and GITHUB_TOKEN");
    }
    for (it, folder) in ALL.iter().zip(folders) {
        stage.server.add_local(&it.name.parse()?, folder, false).await?;
        let repository = stage.client.product(it.name).await?.product.repository;
        if repository != format!("local/{}", it.name) {
            bail!("the database has a product `{}` in {repository}: unset DATABASE_URL", it.name);
        }
    }
    Ok(())
}

/// The names of the rows, in the order of the keys.
fn rows() -> [&'static str; ROWS] {
    let [wealth, ecm, fincrime] = ALL.map(|it| it.label);
    [wealth, ecm, fincrime, TRADING.label, GOALS.label, "incident"]
}

/// All products side by side.
async fn products(stage: &Stage<'_>, marker: &Marker) -> anyhow::Result<Vec<Product>> {
    let [wealth, ecm, fincrime] = ALL;
    let key = |row: usize| marker.keys.get(row).copied().context("the progress of the demo has too few keys");
    let part = |row, of| anyhow::Ok(Part { row, of, key: key(row)? });
    let parts = (part(0, wealth)?, part(3, TRADING)?, part(4, GOALS)?);
    let incident = Incident { row: 5, key: key(5)? };
    let (ecm, fincrime) = (part(1, ecm)?, part(2, fincrime)?);
    let (wealth, ecm, fincrime) =
        tokio::try_join!(stage.wealth(parts, incident), stage.one(ecm), stage.one(fincrime))?;
    Ok(vec![wealth, ecm, fincrime])
}

/// As people read it: `12.3 s`.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The folder of a product, made unless an interrupted demo made it.
fn make(folder: &Path, it: &Showcase) -> anyhow::Result<PathBuf> {
    let products = folder.join("products");
    let (made, begun) = (products.join(it.name), products.join(format!("{}.begun", it.name)));
    if !made.exists() {
        // Under its own name only once it has its commit.
        if begun.exists() {
            fs::remove_dir_all(&begun).with_context(|| format!("delete {}", begun.display()))?;
        }
        init::make(&it.name.parse()?, Template::FastApi, begun.clone())?;
        fs::rename(&begun, &made).with_context(|| format!("name the folder {}", made.display()))?;
    }
    Ok(made)
}
