//! Who we are, and what our credential may do in a repository.

use http::Method;
use serde::Deserialize;

use super::{Remark, methods::Settings, reason};
use crate::{
    core::requirement::RepoName,
    github::{Abilities, CredentialKind, Error, Forge, Kind, escape, permissions::NEEDS, route},
};

/// A repository, with what decides whether we can merge into it.
#[derive(Deserialize)]
struct Repository {
    full_name: String,
    #[serde(default)]
    archived: bool,
    #[serde(flatten)]
    methods: Settings,
}

/// What is read to learn whether a permission is granted: the permission, the route, and what is lost without it.
const PROBES: [(&str, &str, &str); 3] = [
    ("pull requests", "pulls?per_page=1", "no pull request can be opened or reviewed"),
    (
        "commit statuses",
        "commits/{branch}/status?per_page=1",
        "required checks that are statuses are not seen",
    ),
    ("actions", "actions/runs?per_page=1", "a failed check is known by its summary alone"),
];

impl Forge {
    /// Who we are, with the kind of credential.
    pub(super) async fn inspect_account(&self, repo: &RepoName) -> Result<Vec<Remark>, Error> {
        let account = self.identity().await?;
        let abilities = self.abilities(repo).await?;
        let mut remarks = vec![Remark::fine(format!("we are {}, by {}", account.login, abilities.kind))];
        remarks.extend(about_kind(&abilities, repo));
        Ok(remarks)
    }

    /// Whether the repository can be merged into, and its settings about that.
    pub(super) async fn inspect_repository(&self, repo: &RepoName) -> Result<(Vec<Remark>, Settings), Error> {
        let found: Repository = self.get(&format!("/repos/{repo}")).await?;
        let mut remarks = Vec::new();
        if !found.full_name.eq_ignore_ascii_case(&repo.to_string()) {
            let now = &found.full_name;
            remarks.push(Remark::note(format!(
                "{repo} is called {now} now; runs follow, but put the product again with the new name, since GitHub \
                 gives the old one away"
            )));
        }
        if found.archived {
            remarks.push(Remark::fatal(format!("{repo} is archived; unarchive it in its settings")));
        }
        Ok((remarks, found.methods))
    }

    /// What our credential may do. An App's grant says it; of a token it is tried, by reading alone.
    pub(super) async fn inspect_access(&self, repo: &RepoName, branch: &str) -> Vec<Remark> {
        let abilities = match self.abilities(repo).await {
            Ok(abilities) => abilities,
            Err(error) => return vec![Remark::bad(reason(&error))],
        };
        if abilities.kind == CredentialKind::App {
            return of_app(&abilities);
        }
        let mut remarks = Vec::new();
        for (permission, path, without) in PROBES {
            let path = path.replace("{branch}", &escape(branch));
            if let Some(why) = self.refusal(&route(repo, &path)).await {
                remarks.push(Remark::bad(format!(
                    "{permission} cannot be read ({why}): {without}; grant the token that permission"
                )));
            }
        }
        if let Some(why) =
            self.refusal(&route(repo, &format!("commits/{}/check-runs?per_page=1", escape(branch)))).await
        {
            remarks.push(Remark::note(format!(
                "check runs cannot be read ({why}): only commit statuses count, and a required check that is a check \
                 run is waited for without an end; use a GitHub App, whose grant has `checks`"
            )));
        }
        remarks.extend(self.inspect_scopes().await);
        remarks
    }

    /// The scopes of a classic token, which GitHub names in every answer.
    async fn inspect_scopes(&self) -> Option<Remark> {
        if self.kind() != CredentialKind::Classic {
            return Some(Remark::note(
                "a token does not say what it may write; it needs contents, pull requests and commit statuses: write",
            ));
        }
        let answer = self.call(Method::GET, "/user", None::<&()>).await.ok()?;
        let scopes = answer.headers.get("x-oauth-scopes")?.to_str().ok()?.to_owned();
        let has_repo = scopes.split(',').any(|scope| scope.trim() == "repo");
        Some(match has_repo {
            true => Remark::fine(format!("the token's scopes: {scopes}")),
            false => Remark::bad(format!("the token's scopes are `{scopes}`; it needs `repo`")),
        })
    }

    /// Why a read is refused; `None` if it is not.
    pub(super) async fn refusal(&self, route: &str) -> Option<String> {
        let error = self.call(Method::GET, route, None::<&()>).await.err()?;
        matches!(error.kind(), Kind::Forbidden | Kind::NotFound).then(|| reason(&error))
    }
}

/// What a credential that is not an App's costs.
fn about_kind(abilities: &Abilities, repo: &RepoName) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if !abilities.creates_check_runs {
        remarks.push(Remark::note(format!(
            "this credential may not make check runs in {repo}: the gate is the commit status `risk-policy-gate`, and \
             its report one comment on the pull request"
        )));
    }
    if !abilities.starts_workflows {
        remarks.push(Remark::bad(
            "what the token of GitHub Actions pushes starts no workflow, and runs of its pull requests wait for \
             approval: required checks of GitHub Actions do not report by themselves; use a GitHub App",
        ));
    }
    remarks
}

/// What the installation grants and withholds.
fn of_app(abilities: &Abilities) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = abilities
        .withheld
        .iter()
        .map(|need| {
            let what = format!(
                "`{}: {}` is not granted: {}; grant it in the App's settings under Permissions & events, and accept it \
                 in the installation",
                need.permission, need.level, need.without
            );
            if need.required { Remark::fatal(what) } else { Remark::note(what) }
        })
        .collect();
    let granted = NEEDS.len() - abilities.withheld.len();
    if granted > 0 {
        let names = NEEDS.iter().filter(|need| !abilities.withheld.contains(need));
        let names: Vec<String> = names.map(|need| format!("{}: {}", need.permission, need.level)).collect();
        remarks.insert(0, Remark::fine(format!("granted: {}", names.join(", "))));
    }
    remarks
}
