//! Set-up: installs what tests need, once, into a layer; and tests on top of that layer.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use super::super::error::Error;
use super::{
    cluster, inputs,
    inside::{Inside, Mount, UNPACK},
    layers::{Held, Layer, Layers, Making},
    limits::TestRun,
    proxy::Proxy,
    recipe::{Commands, Recipe},
    registries::{Operator, Registries},
    runner::{Job, Runner},
    services,
    stage::{READABLE, own},
    toolchains::{Places, Tools},
    unavailable::Unavailable,
};

/// Where set-up finds the way to the registries.
const RUN: &str = "/run/aspora";
const PORT: &str = "3128";
/// Passes connections on to the socket of the proxy, by what this machine has.
const FORWARD_PYTHON: &str = r#"
import os, socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
if os.fork(): os._exit(0)
def pump(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data: break
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (a, b):
            try: end.shutdown(socket.SHUT_RDWR)
            except OSError: pass
while True:
    client, _ = server.accept()
    proxy = socket.socket(socket.AF_UNIX)
    try: proxy.connect(sys.argv[2])
    except OSError: client.close(); continue
    for pair in ((client, proxy), (proxy, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"#;

/// What came of set-up.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// Tests can run, on this layer if there is set-up.
    Ready(Option<Layer>),
    /// Set-up failed: nothing was kept.
    Failed(TestRun),
}

/// Makes the layer of a recipe for these files, or finds it.
pub(super) async fn prepare(
    runner: &Runner,
    layers: &Layers,
    tree: &Path,
    recipe: &Recipe,
) -> Result<Prepared, Error> {
    if recipe.setup.is_empty() {
        return Ok(Prepared::Ready(None));
    }
    let tools = Tools::find(&recipe.toolchains, &Places::of_this_process()).map_err(unavailable)?;
    let files = inputs::read(tree, &recipe.inputs).map_err(Error::io("read the files of set-up"))?;
    let key = inputs::key(recipe, &files, &tools.identity());
    loop {
        let making = match layers.hold(&key).await.map_err(Error::io("open the layer of set-up"))? {
            Held::Ready(layer) => return Ok(Prepared::Ready(Some(layer))),
            Held::ToMake(making) => making,
        };
        let run = match make(runner, &making, &files, recipe, &tools).await {
            Ok(run) => run,
            Err(error) => {
                making.give_up();
                return Err(error);
            }
        };
        if !run.passed {
            making.give_up();
            return Ok(Prepared::Failed(run));
        }
        let finished = tokio::task::spawn_blocking(|| making.finish()).await;
        finished.unwrap_or_else(|error| Err(error.into())).map_err(Error::io("keep the layer of set-up"))?;
    }
}

/// Runs set-up in the folder of a layer.
async fn make(
    runner: &Runner,
    making: &Making,
    files: &[(String, Vec<u8>)],
    recipe: &Recipe,
    tools: &Tools,
) -> Result<TestRun, Error> {
    let user = runner.user();
    let (deps, product) = (making.folder.join("deps"), making.folder.join("product"));
    let registries = Registries::of(&Operator::of_this_process());
    let run = open_folder().map_err(Error::io("make a folder for set-up"))?;
    let fill = || {
        fs::create_dir_all(deps.join("cargo"))?;
        fs::create_dir_all(&product)?;
        inputs::write(&product, files)?;
        if !recipe.root.is_empty() {
            fs::create_dir_all(product.join(&recipe.root))?;
        }
        fs::write(deps.join("cargo/config.toml"), &registries.cargo)?;
        fs::write(run.path().join("npmrc"), &registries.npm)?;
        fs::write(run.path().join("forward.py"), FORWARD_PYTHON)?;
        if let Some(authorities) = &registries.authorities {
            fs::copy(authorities, run.path().join("authorities.pem"))?;
        }
        own(&making.folder, user)
    };
    fill().map_err(Error::io("put the files of set-up in place"))?;
    let proxy = Proxy::listen(&run.path().join("proxy"), registries.clone())
        .map_err(Error::io("listen for set-up"))?;
    let mount = |source: &Path, target: &str, writable| Mount {
        source: source.to_owned(),
        target: target.to_owned(),
        writable,
    };
    let mut mounts =
        vec![mount(&deps, "/deps", true), mount(&product, "/product", true), mount(run.path(), RUN, false)];
    mounts.extend(tools.mounts.iter().chain(&registries.mounts).cloned());
    let mut environment = Recipe::environment(&tools.path);
    environment.extend(tools.environment.iter().chain(&registries.environment).cloned());
    environment.extend(ways());
    let services = format!(
        "python3 -I {RUN}/forward.py {PORT} {RUN}/proxy || {{ echo 'no way to the package registries'; exit 125; }}"
    );
    let folder = recipe.folder().map_err(|reason| Error::refused(&recipe.root, reason))?;
    let inside = Inside { environment, mounts, services, folder, ..Inside::default() };
    let lines: Vec<String> = recipe.setup.iter().cloned().chain([READABLE.to_owned()]).collect();
    let argv = Commands::Lines(&lines).argv();
    let job = Job { tree: None, inside, argv, user: Some(user), limits: recipe.setup_limits };
    let mut run = runner.run(job).await?;
    let refused = proxy.refused();
    if !run.passed && !refused.is_empty() {
        run.output.push_str(&format!("\n[set-up asked for {}]\n", refused.join("; ")));
    }
    Ok(run)
}

/// Runs tests on a copy of the tree and the layer.
pub(super) async fn test(
    (runner, layers): (&Runner, &Layers),
    tree: &Path,
    recipe: &Recipe,
    layer: Option<&Layer>,
    commands: Commands<'_>,
) -> Result<TestRun, Error> {
    let Given { inside, cluster: _held } = Given::to_tests((runner, layers), recipe, layer).await?;
    let job = Job { tree: Some(tree), inside, argv: commands.argv(), user: None, limits: recipe.limits };
    runner.run(job).await
}

/// What tests on top of a layer are given, and what must last as long as they do.
pub(super) struct Given {
    pub(super) inside: Inside,
    /// Held until the tests have ended.
    pub(super) cluster: Option<Layer>,
}

impl Given {
    /// Finds it on this machine.
    ///
    /// # Errors
    /// When a toolchain or a service is not there.
    pub(super) async fn to_tests(
        (runner, layers): (&Runner, &Layers),
        recipe: &Recipe,
        layer: Option<&Layer>,
    ) -> Result<Self, Error> {
        let tools = Tools::find(&recipe.toolchains, &Places::of_this_process()).map_err(unavailable)?;
        let services = services::start(&recipe.services).map_err(unavailable)?;
        let (mut mounts, mut unpack, mut modules) = (tools.mounts.clone(), UNPACK.to_owned(), Vec::new());
        if let Some(layer) = layer {
            mounts.push(Mount { source: layer.deps(), target: "/deps".to_owned(), writable: false });
            for (number, path) in layer.modules.iter().enumerate() {
                let target = format!("/product/{path}");
                modules.push(target.clone());
                mounts.push(Mount { source: layer.module(number), target, writable: false });
                // What set-up installed is there already, and cannot be written to.
                unpack.push_str(&format!(" --exclude='./{}'", path.replace('\'', r"'\''")));
            }
            unpack = unpack.replacen(UNPACK, &format!("{UNPACK} --anchored --no-wildcards"), 1);
        }
        let cluster = match &services.postgres {
            Some(programs) => cluster::empty(runner, layers, programs).await,
            None => None,
        };
        mounts.extend(cluster.as_ref().map(|cluster| Mount {
            source: cluster.deps(),
            target: cluster::PLACE.to_owned(),
            writable: false,
        }));
        let mut environment = Recipe::environment(&tools.path);
        environment.extend(Recipe::offline());
        environment.extend(tools.environment.iter().chain(&services.environment).cloned());
        let folder = recipe.folder().map_err(|reason| Error::refused(&recipe.root, reason))?;
        let inside = Inside { environment, mounts, modules, unpack, services: services.script, folder };
        Ok(Self { inside, cluster })
    }
}

/// Variables that lead clients to the proxy, and to the authorities that sign for registries here.
fn ways() -> Vec<(String, String)> {
    let proxy = format!("http://127.0.0.1:{PORT}");
    let proxies = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "npm_config_https_proxy",
        "npm_config_proxy",
    ];
    let authorities = format!("{RUN}/authorities.pem");
    let names = [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "PIP_CERT",
        "NODE_EXTRA_CA_CERTS",
        "CARGO_HTTP_CAINFO",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
    ];
    let proxies = proxies.map(|name| (name.to_owned(), proxy.clone()));
    let names = names.map(|name| (name.to_owned(), authorities.clone()));
    let npm = ("npm_config_userconfig".to_owned(), format!("{RUN}/npmrc"));
    proxies.into_iter().chain(names).chain([npm]).collect()
}

/// A folder that the user of a run may enter.
fn open_folder() -> io::Result<tempfile::TempDir> {
    let mode = fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("aspora-setup-").permissions(mode).tempdir()
}

fn unavailable(reason: String) -> Error {
    Error::Unavailable(Unavailable { reason })
}
