//! The kinds of credentials, distinguished by the form of the token.

use std::fmt;

/// What a call authenticates with. docs.github.com "About authentication to GitHub".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A GitHub App, which mints a token for each repository.
    App,
    /// A classic personal access token (`ghp_`).
    Classic,
    /// A fine-grained personal access token (`github_pat_`).
    FineGrained,
    /// A person's token that an app was given (`gho_`, `ghu_`).
    UserToServer,
    /// An installation token that was minted elsewhere (`ghs_`), such as the `GITHUB_TOKEN` of GitHub Actions.
    Installation,
    /// A token without a form that we know, as an older server or another forge makes them.
    Unknown,
}

impl CredentialKind {
    /// Whether GitHub signs the commits that it makes for such a credential, as it says of `createCommitOnBranch`. Seen for
    /// Apps (donaldgifford/repo-guardian) and for a person's token (helium/HIP#1226); a token of an unknown form may be of
    /// a server that does not.
    #[must_use]
    pub const fn signs_commits(self) -> bool {
        match self {
            Self::App | Self::Classic | Self::FineGrained | Self::UserToServer | Self::Installation => true,
            Self::Unknown => false,
        }
    }

    /// The kind of a token, by its prefix.
    #[must_use]
    pub fn of(token: &str) -> Self {
        const PREFIXES: [(&str, CredentialKind); 5] = [
            ("ghp_", CredentialKind::Classic),
            ("github_pat_", CredentialKind::FineGrained),
            ("gho_", CredentialKind::UserToServer),
            ("ghu_", CredentialKind::UserToServer),
            ("ghs_", CredentialKind::Installation),
        ];
        let known = PREFIXES.iter().find(|(prefix, _)| token.starts_with(prefix));
        // Until 2021 a classic token had 40 hexadecimal digits and no prefix.
        let is_old = token.len() == 40 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        match known {
            Some((_, kind)) => *kind,
            None if is_old => Self::Classic,
            None => Self::Unknown,
        }
    }

    /// Whether it acts as an app, which alone may report check runs.
    #[must_use]
    pub const fn is_of_app(self) -> bool {
        matches!(self, Self::App | Self::Installation)
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => "a GitHub App",
            Self::Classic => "a classic personal access token",
            Self::FineGrained => "a fine-grained personal access token",
            Self::UserToServer => "a person's token that an app was given",
            Self::Installation => "an installation token, such as that of GitHub Actions",
            Self::Unknown => "a token of unknown form",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_token_names_its_kind() {
        let check = |token: &str, kind| assert_eq!(CredentialKind::of(token), kind, "{token}");
        check("ghp_0123", CredentialKind::Classic);
        check("0123456789abcdef0123456789ABCDEF01234567", CredentialKind::Classic);
        check("github_pat_11AAAA_x", CredentialKind::FineGrained);
        check("ghs_1234_eyJ.eyJ.sig-x", CredentialKind::Installation);
        check("ghu_x", CredentialKind::UserToServer);
        check("secret", CredentialKind::Unknown);
    }
}
