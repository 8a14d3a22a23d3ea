//! The JSON shapes of GitHub's REST answers and webhooks, as its OpenAPI description has them.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    APP, BOT,
    repository::{Changed, Commit, Signature},
    state::{CheckRun, Comment, Issue, Pull, Repository, Review, ReviewComment, Status},
};

/// Where links begin; the twin's REST routes, pages and repositories have one base.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    pub(crate) base: String,
}

/// What git knows of a pull request at this moment.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) head_sha: String,
    pub(crate) base_sha: String,
    /// Whether head and base merge without a conflict; unknown when closed.
    pub(crate) mergeable: Option<bool>,
    pub(crate) commits: u64,
    pub(crate) additions: u64,
    pub(crate) deletions: u64,
    pub(crate) changed_files: u64,
}

impl Links {
    /// The REST address of a repository.
    pub(crate) fn api(&self, repository: &Repository) -> String {
        format!("{}/repos/{}", self.base, repository.full_name())
    }

    /// The address of a repository's page.
    pub(crate) fn page(&self, repository: &Repository) -> String {
        format!("{}/{}", self.base, repository.full_name())
    }

    fn pull_page(&self, repository: &Repository, number: i64) -> String {
        format!("{}/pull/{number}", self.page(repository))
    }

    /// A simple user: the app's bot or a person.
    pub(crate) fn user(&self, login: &str) -> Value {
        let api = format!("{}/users/{}", self.base, login.replace('[', "%5B").replace(']', "%5D"));
        let bot = login.ends_with("[bot]");
        json!({
            "login": login, "id": user_id(login), "node_id": node("U", user_id(login)),
            "avatar_url": format!("{}/avatars/{}", self.base, user_id(login)), "gravatar_id": "",
            "url": api, "html_url": format!("{}/{}", self.base, if bot { "apps/" } else { "" }.to_owned() + login.trim_end_matches("[bot]")),
            "followers_url": format!("{api}/followers"), "following_url": format!("{api}/following{{/other_user}}"),
            "gists_url": format!("{api}/gists{{/gist_id}}"), "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{api}/subscriptions"), "organizations_url": format!("{api}/orgs"),
            "repos_url": format!("{api}/repos"), "events_url": format!("{api}/events{{/privacy}}"),
            "received_events_url": format!("{api}/received_events"),
            "type": if bot { "Bot" } else { "User" }, "user_view_type": "public", "site_admin": false,
        })
    }

    /// The token's own user, with the fields of a public profile.
    pub(crate) fn own_user(&self) -> Value {
        let more = json!({
            "name": null, "company": null, "blog": null, "location": null, "email": null, "hireable": null,
            "bio": null, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
            "created_at": APP_DATE, "updated_at": APP_DATE,
        });
        with(self.user(BOT), more)
    }

    /// An app, ours or the CI's.
    pub(crate) fn app(&self, slug: &str) -> Value {
        json!({
            "id": app_id(slug), "slug": slug, "node_id": node("A", app_id(slug)), "client_id": format!("Iv1.{slug}"),
            "owner": self.user("aspora"), "name": slug, "description": null,
            "external_url": self.base, "html_url": format!("{}/apps/{slug}", self.base),
            "created_at": APP_DATE, "updated_at": APP_DATE,
            "permissions": {"checks": "write", "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write", "statuses": "write"},
            "events": ["push", "pull_request", "pull_request_review", "check_run", "status", "issue_comment"],
        })
    }

    /// A repository, with all fields of `full-repository`.
    pub(crate) fn repository(&self, it: &Repository) -> Value {
        let page = self.page(it);
        let open = it.pulls.iter().filter(|pull| pull.open).count();
        let fields = json!({
            "id": it.id, "node_id": node("R", it.id), "name": it.name, "full_name": it.full_name(),
            "owner": self.user(&it.owner), "private": true, "html_url": page, "description": null, "fork": false,
            "git_url": format!("{page}.git"), "ssh_url": format!("git@twin:{}.git", it.full_name()),
            "clone_url": format!("{page}.git"), "svn_url": page, "mirror_url": null, "homepage": null, "language": null,
            "forks_count": 0, "stargazers_count": 0, "watchers_count": 0, "size": 0, "default_branch": "main",
            "open_issues_count": open, "is_template": false, "topics": [], "has_issues": true, "has_projects": false
        });
        let more = json!({
            "has_wiki": false, "has_pages": false, "has_discussions": false, "has_downloads": false, "archived": false,
            "disabled": false, "visibility": "private", "pushed_at": it.pushed_at, "created_at": it.created_at,
            "updated_at": it.pushed_at, "permissions": {"admin": false, "maintain": false, "push": true, "triage": true, "pull": true},
            "allow_rebase_merge": false, "allow_squash_merge": true, "allow_merge_commit": true, "allow_auto_merge": false,
            "delete_branch_on_merge": false, "subscribers_count": 0, "network_count": 0, "license": null, "forks": 0,
            "open_issues": open, "watchers": 0,
        });
        with(with(fields, with(more, json!({"url": self.api(it)}))), Value::Object(self.repository_links(it)))
    }

    fn repository_links(&self, it: &Repository) -> Map<String, Value> {
        let api = self.api(it);
        let links = [
            ("archive", "/{archive_format}{/ref}"),
            ("assignees", "/assignees{/user}"),
            ("blobs", "/git/blobs{/sha}"),
            ("branches", "/branches{/branch}"),
            ("collaborators", "/collaborators{/collaborator}"),
            ("comments", "/comments{/number}"),
            ("commits", "/commits{/sha}"),
            ("compare", "/compare/{base}...{head}"),
            ("contents", "/contents/{+path}"),
            ("contributors", "/contributors"),
            ("deployments", "/deployments"),
            ("downloads", "/downloads"),
            ("events", "/events"),
            ("forks", "/forks"),
            ("git_commits", "/git/commits{/sha}"),
            ("git_refs", "/git/refs{/sha}"),
            ("git_tags", "/git/tags{/sha}"),
            ("hooks", "/hooks"),
            ("issue_comment", "/issues/comments{/number}"),
            ("issue_events", "/issues/events{/number}"),
            ("issues", "/issues{/number}"),
            ("keys", "/keys{/key_id}"),
            ("labels", "/labels{/name}"),
            ("languages", "/languages"),
            ("merges", "/merges"),
            ("milestones", "/milestones{/number}"),
            ("notifications", "/notifications{?since,all,participating}"),
            ("pulls", "/pulls{/number}"),
            ("releases", "/releases{/id}"),
            ("stargazers", "/stargazers"),
            ("statuses", "/statuses/{sha}"),
            ("subscribers", "/subscribers"),
            ("subscription", "/subscription"),
            ("tags", "/tags"),
            ("teams", "/teams"),
            ("trees", "/git/trees{/sha}"),
        ];
        links.into_iter().map(|(name, path)| (format!("{name}_url"), json!(format!("{api}{path}")))).collect()
    }

    /// A pull request as lists have it.
    pub(crate) fn pull_simple(&self, it: &Repository, pull: &Pull, head_sha: &str, base_sha: &str) -> Value {
        let api = self.api(it);
        let url = format!("{api}/pulls/{}", pull.number);
        let issue = format!("{api}/issues/{}", pull.number);
        let page = self.pull_page(it, pull.number);
        let (commits, comments) = (format!("{url}/commits"), format!("{issue}/comments"));
        let (on_lines, on_line) = (format!("{url}/comments"), format!("{api}/pulls/comments{{/number}}"));
        let statuses = format!("{api}/statuses/{head_sha}");
        let link = |href: &str| json!({"href": href});
        let named = json!({
            "url": url, "id": pull.id, "node_id": node("PR", pull.id), "html_url": page,
            "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"), "issue_url": issue,
            "number": pull.number, "state": if pull.open { "open" } else { "closed" }, "locked": false,
            "title": pull.title, "user": self.user(&pull.author), "body": pull.body,
            "created_at": pull.created_at, "updated_at": pull.updated_at, "closed_at": pull.closed_at,
            "merged_at": pull.merge.as_ref().map(|merge| &merge.at),
            "merge_commit_sha": pull.merge.as_ref().map(|merge| &merge.sha)
        });
        let related = json!({
            "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [], "labels": [],
            "milestone": null, "draft": pull.draft, "commits_url": commits, "review_comments_url": on_lines,
            "review_comment_url": on_line, "comments_url": comments, "statuses_url": statuses,
            "head": self.side(it, &pull.head_ref, head_sha), "base": self.side(it, &pull.base_ref, base_sha),
            "_links": {
                "self": link(&url), "html": link(&page), "issue": link(&issue), "comments": link(&comments),
                "review_comments": link(&on_lines), "review_comment": link(&on_line), "commits": link(&commits),
                "statuses": link(&statuses),
            },
            "author_association": association(it, &pull.author), "auto_merge": null, "active_lock_reason": null,
        });
        with(named, related)
    }

    /// A pull request, whole.
    pub(crate) fn pull(&self, it: &Repository, pull: &Pull, facts: &Facts) -> Value {
        let state = match facts.mergeable {
            Some(true) if pull.draft => "draft",
            Some(true) => "clean",
            Some(false) => "dirty",
            None => "unknown",
        };
        let more = json!({
            "merged": pull.merge.is_some(), "mergeable": facts.mergeable, "rebaseable": facts.mergeable,
            "mergeable_state": state, "merged_by": pull.merge.as_ref().map(|merge| self.user(&merge.by)),
            "comments": it.comments.iter().filter(|comment| comment.issue == pull.number).count(),
            "review_comments": it.review_comments.iter().filter(|comment| comment.pull == pull.number).count(),
            "maintainer_can_modify": false, "commits": facts.commits, "additions": facts.additions,
            "deletions": facts.deletions, "changed_files": facts.changed_files,
        });
        with(self.pull_simple(it, pull, &facts.head_sha, &facts.base_sha), more)
    }

    fn side(&self, it: &Repository, branch: &str, sha: &str) -> Value {
        json!({
            "label": format!("{}:{branch}", it.owner), "ref": branch, "sha": sha,
            "user": self.user(&it.owner), "repo": self.repository(it),
        })
    }

    /// A pull request as a check run names it.
    fn pull_minimal(&self, it: &Repository, pull: &Pull) -> Value {
        let url = self.api(it);
        let side = |branch: &str, sha: &str| json!({"ref": branch, "sha": sha, "repo": {"id": it.id, "url": url, "name": it.name}});
        json!({
            "id": pull.id, "number": pull.number, "url": format!("{url}/pulls/{}", pull.number),
            "head": side(&pull.head_ref, &pull.head_sha), "base": side(&pull.base_ref, &pull.base_sha),
        })
    }

    /// A changed file of a pull request.
    pub(crate) fn file(&self, it: &Repository, head: &str, file: &Changed) -> Value {
        let path = escape(&file.path);
        let page = self.page(it);
        let shown = json!({
            "sha": file.blob, "filename": file.path, "status": file.status, "additions": file.additions,
            "deletions": file.deletions, "changes": file.additions + file.deletions,
            "blob_url": format!("{page}/blob/{head}/{path}"), "raw_url": format!("{page}/raw/{head}/{path}"),
            "contents_url": format!("{}/contents/{path}?ref={head}", self.api(it)),
        });
        let mut more = Map::new();
        more.extend(file.patch.as_ref().map(|patch| ("patch".to_owned(), json!(patch))));
        more.extend(file.previous.as_ref().map(|path| ("previous_filename".to_owned(), json!(path))));
        with(shown, Value::Object(more))
    }

    /// A commit; its people are users when their address tells which.
    pub(crate) fn commit(&self, it: &Repository, commit: &Commit) -> Value {
        let (api, page) = (self.api(it), self.page(it));
        let git_user = |by: &Signature| json!({"name": by.name, "email": by.email, "date": by.date});
        let user = |by: &Signature| login_of(by).map(|login| self.user(&login));
        let parent = |sha: &String| json!({"sha": sha, "url": format!("{api}/commits/{sha}"), "html_url": format!("{page}/commit/{sha}")});
        let sha = &commit.sha;
        json!({
            "url": format!("{api}/commits/{sha}"), "sha": sha, "node_id": format!("C_{sha}"),
            "html_url": format!("{page}/commit/{sha}"), "comments_url": format!("{api}/commits/{sha}/comments"),
            "commit": {
                "url": format!("{api}/git/commits/{sha}"), "author": git_user(&commit.author),
                "committer": git_user(&commit.committer), "message": commit.message, "comment_count": 0,
                "tree": {"sha": commit.tree, "url": format!("{api}/git/trees/{}", commit.tree)},
                "verification": {"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null},
            },
            "author": user(&commit.author), "committer": user(&commit.committer),
            "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
        })
    }

    /// A branch with its last commit.
    pub(crate) fn branch(&self, it: &Repository, branch: &str, commit: &Commit) -> Value {
        let url = format!("{}/branches/{branch}", self.api(it));
        json!({
            "name": branch, "commit": self.commit(it, commit), "protected": false,
            "_links": {"self": url, "html": format!("{}/tree/{branch}", self.page(it))},
            "protection": {"enabled": false, "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}},
            "protection_url": format!("{url}/protection"),
        })
    }

    /// A branch as a git reference.
    pub(crate) fn reference(&self, it: &Repository, branch: &str, sha: &str) -> Value {
        let api = self.api(it);
        json!({
            "ref": format!("refs/heads/{branch}"), "node_id": format!("REF_{branch}"),
            "url": format!("{api}/git/refs/heads/{branch}"),
            "object": {"type": "commit", "sha": sha, "url": format!("{api}/git/commits/{sha}")},
        })
    }

    /// A review.
    pub(crate) fn review(&self, it: &Repository, review: &Review) -> Value {
        let pull = format!("{}/pulls/{}", self.api(it), review.pull);
        let page = format!("{}#pullrequestreview-{}", self.pull_page(it, review.pull), review.id);
        json!({
            "id": review.id, "node_id": node("PRR", review.id), "user": self.user(&review.author), "body": review.body,
            "state": review.state, "html_url": page, "pull_request_url": pull,
            "_links": {"html": {"href": page}, "pull_request": {"href": pull}}, "submitted_at": review.submitted_at,
            "commit_id": review.commit_id, "author_association": association(it, &review.author),
        })
    }

    /// A comment on a line.
    pub(crate) fn review_comment(&self, it: &Repository, comment: &ReviewComment) -> Value {
        let url = format!("{}/pulls/comments/{}", self.api(it), comment.id);
        let pull = format!("{}/pulls/{}", self.api(it), comment.pull);
        let page = format!("{}#discussion_r{}", self.pull_page(it, comment.pull), comment.id);
        let start_side = comment.start_line.map(|_| &comment.side);
        json!({
            "url": url, "pull_request_review_id": comment.review, "id": comment.id, "node_id": node("PRRC", comment.id),
            "diff_hunk": comment.diff_hunk, "path": comment.path, "position": comment.position,
            "original_position": comment.position, "commit_id": comment.commit_id,
            "original_commit_id": comment.commit_id, "user": self.user(&comment.author), "body": comment.body,
            "created_at": comment.created_at, "updated_at": comment.created_at, "html_url": page,
            "pull_request_url": pull, "author_association": association(it, &comment.author),
            "_links": {"self": {"href": url}, "html": {"href": page}, "pull_request": {"href": pull}},
            "start_line": comment.start_line, "original_start_line": comment.start_line, "start_side": start_side,
            "line": comment.line, "original_line": comment.line, "side": comment.side, "subject_type": "line",
            "reactions": self.reactions(&url),
        })
    }

    /// A comment in a conversation; the app's own say so.
    pub(crate) fn comment(&self, it: &Repository, comment: &Comment) -> Value {
        let api = self.api(it);
        let url = format!("{api}/issues/comments/{}", comment.id);
        json!({
            "id": comment.id, "node_id": node("IC", comment.id), "url": url, "body": comment.body,
            "html_url": format!("{}#issuecomment-{}", self.pull_page(it, comment.issue), comment.id),
            "user": self.user(&comment.author), "created_at": comment.created_at, "updated_at": comment.updated_at,
            "issue_url": format!("{api}/issues/{}", comment.issue),
            "author_association": association(it, &comment.author),
            "performed_via_github_app": (comment.author == BOT).then(|| self.app(APP)),
            "reactions": self.reactions(&url),
        })
    }

    /// An issue.
    pub(crate) fn issue(&self, it: &Repository, issue: &Issue) -> Value {
        let api = self.api(it);
        let url = format!("{api}/issues/{}", issue.number);
        let label = |name: &String| {
            json!({"id": user_id(name), "node_id": node("LA", user_id(name)), "url": format!("{api}/labels/{}", escape(name)),
                "name": name, "description": null, "color": "ededed", "default": false})
        };
        json!({
            "id": issue.id, "node_id": node("I", issue.id), "url": url, "repository_url": api,
            "labels_url": format!("{url}/labels{{/name}}"), "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"), "html_url": format!("{}/issues/{}", self.page(it), issue.number),
            "number": issue.number, "state": "open", "state_reason": null, "title": issue.title, "body": issue.body,
            "user": self.user(&issue.author), "labels": issue.labels.iter().map(label).collect::<Vec<_>>(),
            "assignee": null, "assignees": [], "milestone": null, "locked": false, "active_lock_reason": null,
            "comments": it.comments.iter().filter(|comment| comment.issue == issue.number).count(),
            "closed_at": null, "created_at": issue.created_at, "updated_at": issue.created_at,
            "author_association": association(it, &issue.author),
        })
    }

    /// A check run.
    pub(crate) fn check_run(&self, it: &Repository, run: &CheckRun) -> Value {
        let url = format!("{}/check-runs/{}", self.api(it), run.id);
        let page = format!("{}/runs/{}", self.page(it), run.id);
        let pulls = it.pulls.iter().filter(|pull| pull.open && pull.head_sha == run.head_sha);
        json!({
            "id": run.id, "head_sha": run.head_sha, "node_id": node("CR", run.id), "external_id": run.external_id,
            "url": url, "html_url": page, "details_url": run.details_url.as_ref().unwrap_or(&page),
            "status": run.status, "conclusion": run.conclusion, "started_at": run.started_at,
            "completed_at": run.completed_at, "name": run.name, "check_suite": {"id": app_id(&run.app)},
            "output": {
                "title": run.title, "summary": run.summary, "text": run.text,
                "annotations_count": run.annotations.len(), "annotations_url": format!("{url}/annotations"),
            },
            "app": self.app(&run.app), "pull_requests": pulls.map(|pull| self.pull_minimal(it, pull)).collect::<Vec<_>>(),
        })
    }

    /// A commit status.
    pub(crate) fn status(&self, it: &Repository, status: &Status) -> Value {
        json!({
            "url": format!("{}/statuses/{}", self.api(it), status.sha), "avatar_url": null, "id": status.id,
            "node_id": node("SC", status.id), "state": status.state, "description": status.description,
            "target_url": status.target_url, "context": status.context, "created_at": status.created_at,
            "updated_at": status.created_at, "creator": self.user(&status.author),
        })
    }

    fn reactions(&self, url: &str) -> Value {
        json!({"url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "hooray": 0,
            "confused": 0, "heart": 0, "rocket": 0, "eyes": 0})
    }
}

/// The address under which the app makes its commits.
const BOT_ADDRESS: &str = "bot@aspora.ai";
const APP_DATE: &str = "2026-01-01T00:00:00Z";

/// The first object with the second's fields added.
pub(crate) fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut object, more) {
        fields.extend(more);
    }
    object
}

/// The same id for the same login, always.
pub(crate) fn user_id(login: &str) -> i64 {
    let digest = Sha256::digest(login.as_bytes());
    i64::from(u32::from_be_bytes([digest[0] >> 1, digest[1], digest[2], digest[3]]))
}

/// The id of an app by its slug.
pub(crate) fn app_id(slug: &str) -> i64 {
    user_id(slug) / 1000
}

/// The address by which a commit is recognised as a user's.
pub(crate) fn address_of(login: &str) -> String {
    format!("{}+{login}@users.noreply.github.com", user_id(login))
}

fn login_of(by: &Signature) -> Option<String> {
    if by.email == BOT_ADDRESS {
        return Some(BOT.to_owned());
    }
    let name = by.email.strip_suffix("@users.noreply.github.com")?;
    name.split_once('+').map(|(_, login)| login.to_owned())
}

fn association(it: &Repository, login: &str) -> &'static str {
    match it.permissions.get(login).map(String::as_str) {
        Some("admin") => "OWNER",
        Some("write") => "COLLABORATOR",
        _ if login == BOT => "CONTRIBUTOR",
        _ => "NONE",
    }
}

fn node(kind: &str, id: i64) -> String {
    format!("{kind}_twin{id}")
}

fn escape(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(byte.into())
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
