//! How a product is tested: by the product file at the base, else by the product's own command.

use sha2::{Digest as _, Sha256};

use super::{
    Failure,
    attempt::Attempt,
    consent::Permitted,
    test_tree::{ended, test_tree},
};
use crate::{
    core::{
        change::Change,
        policy::TestRule,
        product_file::{Build, DependencyRule, ProductFile, TestsBy},
        requirement::ProductName,
        sha::Sha,
        tested::{Cause, Tested},
    },
    store::product,
    workspace::{self, Limits, Mirror, Sandbox},
};

/// Of what a test run is, so that what an earlier release recorded of a tree, which knew less, counts for nothing.
const FORM: &str = "2";
/// How often red tests of a change go back to the model before a person is needed, where no product file says.
const RED_ROUNDS: u32 = 2;

/// How a product is tested, and who says whether its tests pass.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) rule: TestRule,
    /// How often red tests of a change go back to the model before a person is needed.
    pub(super) rounds: u32,
    /// The product file, or the product's own command.
    text: String,
    way: Way,
}

/// Where a change forked from the base, and what it changes.
pub(super) struct Forked {
    pub(super) fork: Sha,
    pub(super) change: Change,
}

impl Plan {
    /// The same for a change of these files. Of the other products of the repository, those are tested too whose folder it
    /// touches, and all of them where it touches a file that is in no product's folder.
    fn for_change(mut self, change: &Change) -> Self {
        if let Way::File { build, others, .. } = &mut self.way {
            let paths = || change.files.iter().map(|file| file.path.as_str());
            let is_shared = |path: &str| !build.holds(path) && !others.iter().any(|(_, it)| it.holds(path));
            if !paths().any(is_shared) {
                others.retain(|(_, build)| paths().any(|path| build.holds(path)));
            }
        }
        self
    }

    /// The products, by name, whose dependencies are installed after a person's yes alone.
    pub(super) fn asking(&self) -> impl Iterator<Item = (&str, &Build)> {
        let (own, others) = match &self.way {
            Way::File { name, build, others } => (Some((name.as_str(), &**build)), others.as_slice()),
            Way::Command(_) | Way::Refused(_) => (None, &[][..]),
        };
        let others = others.iter().map(|(name, build)| (name.as_str(), build));
        own.into_iter()
            .chain(others)
            .filter(|(_, build)| build.dependencies == DependencyRule::Ask && !build.setup.is_empty())
    }

    /// The same without what the product file asks besides passing tests.
    pub(super) fn tests_alone(&self) -> Self {
        let mut plan = self.clone();
        if let Way::File { build, others, .. } = &mut plan.way {
            for build in others.iter_mut().map(|(_, build)| build).chain([&mut **build]) {
                build.lint.clear();
                build.coverage = None;
            }
            plan.text.push_str("\0tests");
        }
        plan
    }

    /// Of everything that decides what a tree comes to.
    pub(super) fn digest(&self) -> String {
        let mut digest = Sha256::new_with_prefix(format!("{FORM}\0{}", self.text));
        if let Way::File { name, others, .. } = &self.way {
            for name in [name.as_str()].into_iter().chain(others.iter().map(|(name, _)| name.as_str())) {
                digest.update(format!("\0{name}"));
            }
        }
        hex::encode(digest.finalize())
    }
}

#[derive(Debug, Clone)]
enum Way {
    /// The product's own command, without a set-up.
    Command(Vec<String>),
    /// As the product file has it, with the builds of the other products of the repository that are ours to test.
    File { name: String, build: Box<Build>, others: Vec<(ProductName, Build)> },
    /// The product file is refused.
    Refused(String),
}

impl Attempt<'_> {
    /// How the product is tested: the only place that knows. The product file is that of the base as it was last fetched:
    /// what a change says of its own tests counts for nothing.
    pub(super) async fn test_plan(&self, mirror: &Mirror) -> Result<Plan, Failure> {
        let name = &self.stored.spec.product;
        let product = product::get(&self.factory.pool, name).await?;
        let (command, setting) = product.map(|it| (it.test_command, it.tests)).unwrap_or_default();
        let base = self.base(mirror).await?;
        let (way, text) = match mirror.product_file(&base).await? {
            None => (None, command.join("\0")),
            Some(text) => (in_file(&text, name), text),
        };
        let way = way.unwrap_or(Way::Command(command));
        let setting = setting.or_else(|| way.setting().map(str::to_owned));
        let rule = match self.brief.theirs() {
            Some(theirs) if !theirs.tests => TestRule::Forge,
            Some(_) => TestRule::Ours,
            None => TestRule::of(setting.as_deref(), way.says_how()),
        };
        let rounds = if let Way::File { build, .. } = &way { build.rounds } else { RED_ROUNDS };
        Ok(Plan { rule, rounds, text, way })
    }

    /// How a change of the product is tested; with where it forked from the base, and what it changes since then.
    pub(super) async fn plan_of(
        &self,
        mirror: &Mirror,
        base: &Sha,
        head: &Sha,
    ) -> Result<(Plan, Option<Forked>), Failure> {
        let plan = self.test_plan(mirror).await?;
        let Some(fork) = mirror.merge_base(base, head).await? else { return Ok((plan, None)) };
        let change = mirror.change(&fork, head).await?;
        Ok((plan.for_change(&change), Some(Forked { fork, change })))
    }

    /// Runs the tests of a commit, in the sandbox or not at all; where they pass, what else the product file asks.
    pub(super) async fn run_plan(
        &self,
        mirror: &Mirror,
        permitted: &Permitted,
        commit: &Sha,
    ) -> Result<Tested, Failure> {
        let plan = permitted.plan();
        let command = plan.way.command();
        match &plan.way {
            Way::Refused(why) => return Ok(Tested::not_run(&command, Cause::Setup, why)),
            _ if command.is_empty() => {
                return Ok(Tested::not_run(&command, Cause::Command, "the product has no test command"));
            }
            Way::Command(_) | Way::File { .. } => {}
        }
        let sandbox = match &self.factory.sandbox {
            Ok(sandbox) => sandbox,
            Err(unavailable) => {
                return Ok(Tested::not_run(&command, Cause::Sandbox, unavailable.to_string()));
            }
        };
        let ran = match &plan.way {
            Way::File { name, build, others } => {
                let others = others.iter().map(|(name, build)| (name.as_str(), build));
                let builds = [(name.as_str(), &**build)].into_iter().chain(others);
                as_the_file_says(mirror, sandbox, builds, commit).await
            }
            Way::Command(_) | Way::Refused(_) => one_command(mirror, sandbox, &command, commit).await,
        };
        match ran {
            Ok(tested) => Ok(tested),
            Err(workspace::Error::Unavailable(unavailable)) => {
                Ok(Tested::not_run(&command, Cause::Sandbox, unavailable.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What a product file says of a product; `None` if it is of other products.
fn in_file(text: &str, product: &str) -> Option<Way> {
    match ProductFile::parse(text) {
        Err(error) => Some(Way::Refused(format!("the product file at the base is refused: {error}"))),
        Ok(file) => {
            let name: ProductName = product.parse().ok()?;
            let build = Box::new(file.of(&name)?.clone());
            let others = file.builds().filter_map(|(other, build)| Some((other?, build)));
            let ours = others.filter(|(other, build)| **other != name && build.tests == TestsBy::Ours);
            let others = ours.map(|(other, build)| (other.clone(), build.clone())).collect();
            Some(Way::File { name: name.to_string(), build, others })
        }
    }
}

impl Way {
    /// The command lines or words, for people.
    fn command(&self) -> Vec<String> {
        match self {
            Self::Command(words) => words.clone(),
            Self::File { build, .. } => build.test.clone(),
            Self::Refused(_) => Vec::new(),
        }
    }

    /// Whether it says how the product is tested. A file that is refused was to say it.
    const fn says_how(&self) -> bool {
        match self {
            Self::Command(words) => !words.is_empty(),
            Self::File { .. } | Self::Refused(_) => true,
        }
    }

    fn setting(&self) -> Option<&'static str> {
        match self {
            Self::File { build, .. } if build.tests == TestsBy::Forge => Some(TestsBy::Forge.as_str()),
            Self::File { .. } | Self::Command(_) | Self::Refused(_) => None,
        }
    }
}

async fn one_command(
    mirror: &Mirror,
    sandbox: &Sandbox,
    words: &[String],
    commit: &Sha,
) -> Result<Tested, workspace::Error> {
    let worktree = mirror.worktree(commit).await?;
    let argv: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = sandbox.run(worktree.path(), &argv, Limits::default()).await?;
    Ok(Tested::read(words, ended(&run)))
}

async fn as_the_file_says<'a>(
    mirror: &Mirror,
    sandbox: &Sandbox,
    builds: impl Iterator<Item = (&'a str, &'a Build)>,
    commit: &Sha,
) -> Result<Tested, workspace::Error> {
    let worktree = mirror.worktree(commit).await?;
    let paths = mirror.paths(commit).await?;
    let mut parts = Vec::new();
    for (name, build) in builds {
        parts.push((name.to_owned(), test_tree(sandbox, worktree.path(), &paths, build).await?));
    }
    let none = || Tested::not_run(&[], Cause::Command, "the product file has no product");
    Ok(Tested::together(parts).unwrap_or_else(none))
}
