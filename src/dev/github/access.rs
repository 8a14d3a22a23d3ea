//! Whether a credential may make a call: the route's row, the credential's kind, the repository.

use http::StatusCode;

use super::{
    apps::holds,
    credentials::{Credential, Kind},
    keys::UNDECODABLE,
    permissions::{Level, Need, Needs, Permissions, Row, Scopes},
    refusal::Refusal,
    state::Repository,
};

const BY_APP: &str = "Resource not accessible by integration";
const BY_TOKEN: &str = "Resource not accessible by personal access token";

/// One call: the row of its route, and what its path names.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) row: &'static Row,
    pub(crate) path: &'a str,
    /// The repository of the path; `None` when there is none of this name.
    pub(crate) repository: Option<&'a Repository>,
}

impl Call<'_> {
    fn is_read(&self) -> bool {
        self.row.method == "GET"
    }

    fn names_repository(&self) -> bool {
        self.row.path.starts_with("/repos/")
    }

    /// Everyone may read what is public, except how it is administered.
    fn is_public_read(&self) -> bool {
        let administers = self.row.path.ends_with("/protection");
        self.is_read() && !administers && self.repository.is_some_and(|it| !it.private)
    }

    fn needs_workflows(&self) -> bool {
        self.row.workflows_too && self.path.contains("/contents/.github/workflows/")
    }
}

/// Refuses a call that GitHub would refuse to this credential.
pub(crate) fn judge(call: &Call<'_>, by: &Credential) -> Result<(), Refusal> {
    match &by.kind {
        Kind::App { .. } if call.row.app_only => return Ok(()),
        Kind::App { .. } => return Err(Refusal::bad_credentials()),
        _ if call.row.app_only => return Err(Refusal::new(StatusCode::UNAUTHORIZED, UNDECODABLE)),
        Kind::Nobody => return judge_nobody(call),
        Kind::Installation { .. }
        | Kind::Actions { .. }
        | Kind::FineGrained { .. }
        | Kind::Classic { .. } => {}
    }
    if call.is_public_read() {
        return Ok(());
    }
    if call.names_repository() {
        let it = call.repository.ok_or_else(Refusal::not_found)?;
        if !sees(by, it) {
            return Err(Refusal::not_found());
        }
    }
    if call.names_repository() && !call.is_read() && call.repository.is_some_and(|it| it.archived) {
        // Seen in many repositories.
        return Err(forbidden("Repository was archived so is read-only."));
    }
    match &by.kind {
        Kind::Installation { permissions, .. } | Kind::Actions { permissions, .. } => {
            judge_needs(call, &call.row.installation, permissions, BY_APP)
        }
        Kind::FineGrained { permissions, .. } => {
            refuse_foreign_route(call)?;
            judge_needs(call, &call.row.fine_grained, permissions, BY_TOKEN)?;
            judge_person(call, by, BY_TOKEN)
        }
        Kind::Classic { scopes } => {
            refuse_foreign_route(call)?;
            let fits = match &call.row.classic {
                Scopes::Refused => return Err(forbidden("You must authenticate via a GitHub App.")),
                Scopes::AnyOf(any) => any.is_empty() || any.iter().any(|scope| scopes.contains(*scope)),
            };
            if !fits || (call.needs_workflows() && !scopes.contains("workflow")) {
                return Err(Refusal::not_found());
            }
            // GitHub's words to a person without the right differ by route; these are not verified.
            judge_person(call, by, "Must have push access to this repository.")
        }
        Kind::Nobody | Kind::App { .. } => Ok(()),
    }
}

/// Whether a credential reaches a repository at all; where it does not, a private one answers 404.
pub(crate) fn sees(by: &Credential, it: &Repository) -> bool {
    let chosen = match &by.kind {
        Kind::Nobody | Kind::App { .. } => false,
        Kind::Installation { account, repositories, .. } => {
            *account == it.owner && repositories.as_ref().is_none_or(|chosen| chosen.contains(&it.id))
        }
        Kind::Actions { repository, .. } => *repository == it.id,
        Kind::FineGrained { repositories, .. } => {
            repositories.contains(&it.id) && person_level(by, it).is_some()
        }
        Kind::Classic { scopes } => {
            let scope = scopes.contains("repo") || scopes.contains("repo_deployment");
            scope && person_level(by, it).is_some()
        }
    };
    chosen || !it.private
}

/// Whether a credential holds a permission in a repository that it sees.
pub(crate) fn may(by: &Credential, it: &Repository, permission: &str, level: Level) -> bool {
    if !sees(by, it) {
        return false;
    }
    let public = !it.private && level == Level::Read;
    match &by.kind {
        Kind::Nobody | Kind::App { .. } => public,
        Kind::Installation { permissions, .. } | Kind::Actions { permissions, .. } => {
            public || holds(permissions, permission, level)
        }
        Kind::FineGrained { permissions, .. } => {
            public || (holds(permissions, permission, level) && person_level(by, it) >= Some(level))
        }
        Kind::Classic { scopes } => {
            let scope = if permission == "workflows" { "workflow" } else { "repo" };
            public || (scopes.contains(scope) && person_level(by, it) >= Some(level))
        }
    }
}

fn judge_nobody(call: &Call<'_>) -> Result<(), Refusal> {
    let open = ["/rate_limit", "/apps/{app_slug}", "/users/{username}"].contains(&call.row.path);
    if open || call.is_public_read() {
        return Ok(());
    }
    let read = call.names_repository() && call.is_read();
    Err(if read {
        Refusal::not_found()
    } else {
        Refusal::new(StatusCode::UNAUTHORIZED, "Requires authentication")
    })
}

fn judge_needs(call: &Call<'_>, needs: &Needs, given: &Permissions, message: &str) -> Result<(), Refusal> {
    let any = match needs {
        Needs::Refused => return Err(forbidden(message)),
        Needs::AnyOf(any) => any,
    };
    let has = |need: &Need| holds(given, need.permission, need.level);
    let workflows = Need { permission: "workflows", level: Level::Write };
    let extra = [
        call.needs_workflows().then_some(workflows),
        // It commits to the head's branch.
        call.row
            .path
            .ends_with("/update-branch")
            .then_some(Need { permission: "contents", level: Level::Write }),
    ];
    let extra: Vec<Need> = extra.into_iter().flatten().collect();
    if any.iter().any(|all| all.iter().all(has)) && extra.iter().all(has) {
        return Ok(());
    }
    Err(forbidden(message).with_header("x-accepted-github-permissions", accepted(any, &extra)))
}

/// The header's form: `a=write,b=read; c=read`, in which `;` means or.
fn accepted(any: &[Vec<Need>], extra: &[Need]) -> String {
    let one = |need: &Need| format!("{}={}", need.permission, need.level.as_str());
    let all = |all: &Vec<Need>| all.iter().chain(extra).map(one).collect::<Vec<_>>().join(",");
    any.iter().map(all).collect::<Vec<_>>().join("; ")
}

/// A person's token may do no more than the person.
fn judge_person(call: &Call<'_>, by: &Credential, message: &str) -> Result<(), Refusal> {
    let Some(it) = call.repository.filter(|_| call.names_repository()) else { return Ok(()) };
    let pushes = |need: &Need| need.permission != "issues" && need.permission != "pull_requests";
    let writes = !call.is_read()
        && matches!(&call.row.installation, Needs::AnyOf(any) if any.iter().flatten().any(pushes));
    let needed = if writes { Level::Write } else { Level::Read };
    let level = person_level(by, it);
    if level >= Some(needed) || (!it.private && needed == Level::Read) {
        Ok(())
    } else {
        Err(forbidden(message))
    }
}

/// What a token's person may do in a repository.
fn person_level(by: &Credential, it: &Repository) -> Option<Level> {
    by.login.as_deref().and_then(|login| it.level_of(login))
}

/// The words of `GET /installation/repositories` are seen in several repositories; its neighbours get them too.
fn refuse_foreign_route(call: &Call<'_>) -> Result<(), Refusal> {
    let message = "You must authenticate with an installation access token in order to list repositories for an installation.";
    if call.row.path.starts_with("/installation/") { Err(forbidden(message)) } else { Ok(()) }
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, message)
}
