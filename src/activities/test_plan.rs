//! How a product is tested: by the product file at the base, else by the product's own command.

use sha2::{Digest as _, Sha256};

use super::{
    Failure,
    attempt::Attempt,
    test_tree::{ended, test_tree},
};
use crate::{
    core::{
        policy::TestRule,
        product_file::{Build, ProductFile, TestsBy},
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
    /// Of everything that decides what a tree comes to.
    pub(super) digest: String,
    way: Way,
}

impl Plan {
    /// The same without what the product file asks besides passing tests.
    pub(super) fn tests_alone(&self) -> Self {
        let mut plan = self.clone();
        if let Way::File(build) = &mut plan.way {
            build.lint.clear();
            build.coverage = None;
            plan.digest.push_str(" tests");
        }
        plan
    }
}

#[derive(Debug, Clone)]
enum Way {
    /// The product's own command, without a set-up.
    Command(Vec<String>),
    /// As the product file has it.
    File(Box<Build>),
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
        let rounds = if let Way::File(build) = &way { build.rounds } else { RED_ROUNDS };
        Ok(Plan { rule, rounds, digest: hex::encode(Sha256::digest(format!("{FORM}\0{text}"))), way })
    }

    /// Runs the tests of a commit, in the sandbox or not at all; where they pass, what else the product file asks.
    pub(super) async fn run_plan(
        &self,
        mirror: &Mirror,
        plan: &Plan,
        commit: &Sha,
    ) -> Result<Tested, Failure> {
        let command = plan.way.command();
        match &plan.way {
            Way::Refused(why) => return Ok(Tested::not_run(&command, Cause::Setup, why)),
            _ if command.is_empty() => {
                return Ok(Tested::not_run(&command, Cause::Command, "the product has no test command"));
            }
            Way::Command(_) | Way::File(_) => {}
        }
        let sandbox = match &self.factory.sandbox {
            Ok(sandbox) => sandbox,
            Err(unavailable) => {
                return Ok(Tested::not_run(&command, Cause::Sandbox, unavailable.to_string()));
            }
        };
        let ran = match &plan.way {
            Way::File(build) => as_the_file_says(mirror, sandbox, build, commit).await,
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
            file.of(&name).map(|build| Way::File(Box::new(build.clone())))
        }
    }
}

impl Way {
    /// The command lines or words, for people.
    fn command(&self) -> Vec<String> {
        match self {
            Self::Command(words) => words.clone(),
            Self::File(build) => build.test.clone(),
            Self::Refused(_) => Vec::new(),
        }
    }

    /// Whether it says how the product is tested. A file that is refused was to say it.
    const fn says_how(&self) -> bool {
        match self {
            Self::Command(words) => !words.is_empty(),
            Self::File(_) | Self::Refused(_) => true,
        }
    }

    fn setting(&self) -> Option<&'static str> {
        match self {
            Self::File(build) if build.tests == TestsBy::Forge => Some(TestsBy::Forge.as_str()),
            Self::File(_) | Self::Command(_) | Self::Refused(_) => None,
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

async fn as_the_file_says(
    mirror: &Mirror,
    sandbox: &Sandbox,
    build: &Build,
    commit: &Sha,
) -> Result<Tested, workspace::Error> {
    let worktree = mirror.worktree(commit).await?;
    test_tree(sandbox, worktree.path(), &mirror.paths(commit).await?, build).await
}
