# shellcheck shell=sh
# Fetches the sources of public packages, with their tests, by the names of their packages: for the cases beside this file.
# Functions of ./run, which sources it: `need` installs tools, `need_sources` packages of sources.

ITSDANGEROUS=2.2.0
STRSIM=0.11.1
CLICK=8.5.1
FASTAPI_USERS_DB_SQLALCHEMY=7.0.0
ZOD=4.6.7
QS=6.14.0

repositories_of_the_gate() {
	need pip3 venv
	python_sources itsdangerous "$ITSDANGEROUS"
	crate_sources strsim "$STRSIM"
}

repositories_of_the_long_form() {
	need pip3 npm
	python_sources click "$CLICK"
	python_sources fastapi-users-db-sqlalchemy "$FASTAPI_USERS_DB_SQLALCHEMY"
	npm_sources zod "$ZOD"
	npm_sources qs "$QS"
	need_sources golang-github-gorilla-mux-dev
	sources mux cp -r /usr/share/gocode/src/github.com/gorilla/mux/.
	sources "pallets-$CLICK-$ITSDANGEROUS/packages/click" cp -r "target/repositories/click-$CLICK/."
	sources "pallets-$CLICK-$ITSDANGEROUS/packages/itsdangerous" cp -r "target/repositories/itsdangerous-$ITSDANGEROUS/."
}

# Makes a folder below target/repositories by a command, to which it is given as the last word, unless it is there.
sources() {
	folder="target/repositories/$1"
	shift
	if [ -d "$folder" ]; then return; fi
	rm -rf "$folder.new"
	mkdir -p "$folder.new"
	"$@" "$folder.new"
	mv "$folder.new" "$folder"
}

# The archive of a package's sources, from the package index.
python_sources() { sources "$1-$2" from_pip "$1==$2"; }
npm_sources() { sources "$1-$2" from_npm "$1@$2"; }
crate_sources() { sources "$1-$2" from_cargo "$1" "$2"; }

from_pip() {
	pip3 download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$2/download" "$1"
	unpacked "$2"
}

from_npm() {
	mkdir -p "$2/download"
	npm pack --silent --pack-destination "$2/download" "$1" >/dev/null
	unpacked "$2"
}

unpacked() {
	tar -xzf "$1"/download/* -C "$1" --strip-components 1
	rm -r "$1/download"
}

# A package that depends on it, whose dependencies are then copied beside it.
from_cargo() {
	mkdir -p "$3/fetch/src"
	: >"$3/fetch/src/lib.rs"
	printf '[package]\nname = "fetch"\nversion = "0.0.0"\n[dependencies]\n%s = "=%s"\n[workspace]\n' "$1" "$2" >"$3/fetch/Cargo.toml"
	(cd "$3/fetch" && cargo vendor --quiet >/dev/null)
	cp -r "$3/fetch/vendor/$1/." "$3"
	rm -r "$3/fetch" "$3/.cargo-checksum.json"
}
