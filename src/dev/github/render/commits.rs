//! Commits and changed files.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{Links, escape, with};
use crate::dev::github::{
    accounts::login_of,
    git::{Changed, Commit, Signature},
    state::Repository,
};

impl Links {
    /// A commit. Author and committer are users if their addresses are those of users.
    pub(crate) fn commit(&self, it: &Repository, commit: &Commit) -> Value {
        let (api, page) = (self.api(it), self.page(it));
        let git_user = |by: &Signature| json!({"name": by.name, "email": by.email, "date": by.date});
        let user = |by: &Signature| login_of(&by.email).map(|login| self.user(&login));
        let parent = |sha: &String| json!({"sha": sha, "url": format!("{api}/commits/{sha}"), "html_url": format!("{page}/commit/{sha}")});
        let sha = &commit.sha;
        let verified = it.verified.contains(sha);
        let reason = if verified { "valid" } else { "unsigned" };
        json!({
            "url": format!("{api}/commits/{sha}"), "sha": sha, "node_id": format!("C_{sha}"),
            "html_url": format!("{page}/commit/{sha}"), "comments_url": format!("{api}/commits/{sha}/comments"),
            "commit": {
                "url": format!("{api}/git/commits/{sha}"), "author": git_user(&commit.author),
                "committer": git_user(&commit.committer), "message": commit.message, "comment_count": 0,
                "tree": {"sha": commit.tree, "url": format!("{api}/git/trees/{}", commit.tree)},
                // The twin keeps who signs, but makes no signatures.
                "verification": {"verified": verified, "reason": reason, "signature": null, "payload": null, "verified_at": null},
            },
            "author": user(&commit.author), "committer": user(&commit.committer),
            "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
        })
    }

    /// A file with its content.
    pub(crate) fn content(&self, it: &Repository, name: &str, path: &str, blob: &str, bytes: &[u8]) -> Value {
        let (at, page) = (escape(path), self.page(it));
        let (own, git) = (
            format!("{}/contents/{at}?ref={name}", self.api(it)),
            format!("{}/git/blobs/{blob}", self.api(it)),
        );
        let html = format!("{page}/blob/{name}/{at}");
        json!({
            "type": "file", "encoding": "base64", "size": bytes.len(), "name": path.rsplit('/').next(), "path": path,
            "content": STANDARD.encode(bytes), "sha": blob, "url": own, "git_url": git, "html_url": html,
            "download_url": format!("{page}/raw/{name}/{at}"),
            "_links": {"self": own, "git": git, "html": html},
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
}
