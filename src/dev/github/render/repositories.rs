//! Repositories and branches.

use serde_json::{Map, Value, json};

use super::{Links, node, with};
use crate::dev::github::{merge_state::Method, state::Repository};

impl Links {
    /// A repository, with all fields of `full-repository`.
    pub(crate) fn repository(&self, it: &Repository) -> Value {
        let page = self.page(it);
        let open = it.pulls.iter().filter(|pull| pull.open).count();
        let allows = |method| it.merging.methods.contains(&method);
        let fields = json!({
            "id": it.id, "node_id": node("R", it.id), "name": it.name, "full_name": it.full_name(),
            "owner": self.user(&it.owner), "private": it.private, "html_url": page, "description": null, "fork": false,
            "git_url": format!("{page}.git"), "ssh_url": format!("git@twin:{}.git", it.full_name()),
            "clone_url": format!("{page}.git"), "svn_url": page, "mirror_url": null, "homepage": null, "language": null,
            "forks_count": 0, "stargazers_count": 0, "watchers_count": 0, "size": 0, "default_branch": it.default_branch,
            "open_issues_count": open, "is_template": false, "topics": [], "has_issues": true, "has_projects": false
        });
        let more = json!({
            "has_wiki": false, "has_pages": false, "has_discussions": false, "has_downloads": false, "archived": it.archived,
            "disabled": false, "visibility": if it.private { "private" } else { "public" }, "pushed_at": it.pushed_at, "created_at": it.created_at,
            "updated_at": it.pushed_at, "permissions": {"admin": false, "maintain": false, "push": true, "triage": true, "pull": true},
            "allow_rebase_merge": allows(Method::Rebase), "allow_squash_merge": allows(Method::Squash),
            "allow_merge_commit": allows(Method::Merge), "allow_auto_merge": false,
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

    /// A branch as a git reference.
    pub(crate) fn reference(&self, it: &Repository, branch: &str, sha: &str) -> Value {
        let api = self.api(it);
        json!({
            "ref": format!("refs/heads/{branch}"), "node_id": format!("REF_{branch}"),
            "url": format!("{api}/git/refs/heads/{branch}"),
            "object": {"type": "commit", "sha": sha, "url": format!("{api}/git/commits/{sha}")},
        })
    }
}
