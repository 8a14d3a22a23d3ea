//! The migrations are compiled in: a changed or a new one asks for a new build.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
