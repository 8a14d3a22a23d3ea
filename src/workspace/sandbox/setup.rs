//! Set-up: installs what tests need, once, into a layer; and tests on top of that layer.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::super::error::Error;
use super::{
    cluster, image, inputs,
    inside::{Inside, REFRESH, UNPACK},
    layers::{Held, Layer, Layers, Making},
    limits::TestRun,
    proxy::Proxy,
    recipe::{Commands, Recipe},
    registries::{Operator, Registries},
    runner::{Files, Job, Runner},
    services,
    stage::{READABLE, own},
    system::{Mount, System},
    toolchains::{Places, Tools},
    unavailable::Unavailable,
};

/// Where set-up finds the way to the registries.
const RUN: &str = "/run/aspora";
const PORT: &str = "3128";
/// Passes connections on to the socket of the proxy; both programs do the same.
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
const FORWARD_PERL: &str = r#"
use strict; use IO::Select; use IO::Socket::INET; use IO::Socket::UNIX;
my ($port, $path) = @ARGV;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $port, Listen => 128, ReuseAddr => 1) or die $!;
exit 0 if fork; $SIG{CHLD} = "IGNORE"; $SIG{PIPE} = "IGNORE";
sub pump {
    my ($client, $proxy) = @_;
    my $open = IO::Select->new($client, $proxy);
    while (my @ready = $open->can_read) {
        for my $from (@ready) {
            my $to = $from == $client ? $proxy : $client;
            my $read = sysread($from, my $data, 65536);
            if (!$read) { $open->remove($from); shutdown($to, 1); return unless $open->count; next }
            for (my $done = 0; $done < $read;) { $done += syswrite($to, $data, $read - $done, $done) || return }
        }
    }
}
while (1) {
    my $client = $server->accept or next;
    next if fork;
    if (my $proxy = IO::Socket::UNIX->new(Peer => $path)) { pump($client, $proxy) }
    exit 0;
}
"#;
/// Starts whichever there is a language for.
const FORWARD: &str = r#"
if command -v python3 >/dev/null; then python3 -I RUN/forward.py PORT RUN/proxy
elif command -v perl >/dev/null; then perl RUN/forward.pl PORT RUN/proxy
else echo 'set-up needs python3 or perl, by which it reaches the package registries'; exit 125
fi || { echo 'no way to the package registries'; exit 125; }"#;

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
    let place = Place::find((runner, layers), recipe).await?;
    let files = inputs::read(tree, &recipe.inputs).map_err(Error::io("read the files of set-up"))?;
    let key = inputs::key(recipe, &files, &place.identity());
    loop {
        let making = match layers.hold(&key).await.map_err(Error::io("open the layer of set-up"))? {
            Held::Ready(layer) => return Ok(Prepared::Ready(Some(layer))),
            Held::ToMake(making) => making,
        };
        let run = match make(runner, &making, &files, recipe, &place).await {
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
    place: &Place,
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
        fs::write(run.path().join("forward.pl"), FORWARD_PERL)?;
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
    mounts.extend(place.tools.mounts.iter().chain(&registries.mounts).cloned());
    let mut environment = place.environment();
    environment.extend(Recipe::without_history());
    environment.extend(registries.environment.iter().cloned());
    environment.extend(ways());
    let services = FORWARD.replace("RUN", RUN).replace("PORT", PORT);
    let folder = recipe.folder().map_err(|reason| Error::refused(&recipe.root, reason))?;
    let system = place.system.clone();
    let inside = Inside { system, environment, mounts, services, folder, ..Inside::default() };
    let lines: Vec<String> = recipe.setup.iter().cloned().chain([READABLE.to_owned()]).collect();
    let argv = Commands::Lines(&lines).argv();
    let job = Job { files: Files::None, inside, argv, user: Some(user), limits: recipe.setup_limits };
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
    let files = Files::Tree(tree, recipe.git_folder.as_deref());
    let job = Job { files, inside, argv: commands.argv(), user: None, limits: recipe.limits };
    runner.run(job).await
}

/// What a recipe asks of this machine.
struct Place {
    system: System,
    tools: Tools,
}

impl Place {
    /// # Errors
    /// When a toolchain is not there, or the image cannot be had.
    async fn find((runner, layers): (&Runner, &Layers), recipe: &Recipe) -> Result<Self, Error> {
        let tools = Tools::find(&recipe.toolchains, &Places::of_this_process()).map_err(unavailable)?;
        let system = match &recipe.image {
            Some(name) => System::Image(image::root(runner, layers, name).await.map_err(unavailable)?),
            None => System::Machine,
        };
        Ok(Self { system, tools })
    }

    /// What a layer depends on besides its commands and files.
    fn identity(&self) -> Vec<String> {
        match &self.system {
            System::Machine => self.tools.identity(),
            System::Image(root) => vec![format!("image {}", root.id)],
        }
    }

    /// Variables of set-up and of tests.
    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = Recipe::environment(&self.tools.path, self.system.path());
        environment.extend(self.tools.environment.iter().cloned());
        environment
    }

    /// Where the programs of services are searched.
    fn root(&self) -> PathBuf {
        match &self.system {
            System::Machine => PathBuf::from("/"),
            System::Image(root) => root.folder(),
        }
    }
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
        let place = Place::find((runner, layers), recipe).await?;
        let services = services::start(&recipe.services, &place.root()).map_err(unavailable)?;
        let (mut mounts, mut unpack, mut modules) =
            (place.tools.mounts.clone(), UNPACK.to_owned(), Vec::new());
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
        let cluster = match (&services.postgres, &place.system) {
            (Some(programs), System::Machine) => cluster::empty(runner, layers, programs).await,
            // The Postgres of an image makes its own, of its own version.
            (Some(_), System::Image(_)) | (None, _) => None,
        };
        mounts.extend(cluster.as_ref().map(|cluster| Mount {
            source: cluster.deps(),
            target: cluster::PLACE.to_owned(),
            writable: false,
        }));
        let mut environment = place.environment();
        if recipe.git_folder.is_some() {
            unpack.push_str(REFRESH);
        } else {
            environment.extend(Recipe::without_history());
        }
        environment.extend(Recipe::offline());
        environment.extend(services.environment.iter().cloned());
        let folder = recipe.folder().map_err(|reason| Error::refused(&recipe.root, reason))?;
        let (system, services) = (place.system, services.script);
        let inside = Inside { system, environment, mounts, modules, unpack, services, folder };
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
