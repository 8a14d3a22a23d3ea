use aspora_core::product_file::{
    ProductFile,
    detect::{Files, detect, folders},
};
struct Dir {
    root: std::path::PathBuf,
    paths: Vec<String>,
}
impl Files for Dir {
    fn paths(&self) -> &[String] {
        &self.paths
    }
    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }
}
fn main() {
    let root = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let listing = std::process::Command::new("git").arg("-C").arg(&root).args(["ls-files"]).output().unwrap();
    let paths = String::from_utf8(listing.stdout).unwrap().lines().map(str::to_owned).collect();
    let dir = Dir { root, paths };
    let all = folders(&dir);
    eprintln!("folders {all:?}");
    for found in detect(&dir, all.first().map_or("", String::as_str)) {
        eprintln!("{:?}", found.notes);
        print!("{}", ProductFile::single(found.build));
        break;
    }
}
