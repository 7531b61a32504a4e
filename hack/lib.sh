# What the scripts of this folder share; sourced by them.
# shellcheck shell=bash

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

# Runs a command up to three times: registries are slow or busy now and then.
retry() {
  local try
  for try in 1 2 3; do
    "$@" && return
    say "failed ($try of 3): $*"
  done
  return 1
}

# Runs a command as root.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Brings the Debian packages whose commands are missing, each given as COMMAND:PACKAGE, by apt-get where it may; leaves
# the names of what it installed in the array `installed`.
need() {
  local pair
  installed=()
  for pair; do
    command -v "${pair%%:*}" >/dev/null || installed+=("${pair##*:}")
  done
  if [ ${#installed[@]} -eq 0 ]; then return; fi
  mapfile -t installed < <(printf '%s\n' "${installed[@]}" | sort -u)
  if ! command -v apt-get >/dev/null || ! as_root true 2>/dev/null; then
    say "install these first, by their names on Debian: ${installed[*]}"
    exit 1
  fi
  say "installing ${installed[*]}"
  retry apt_get update
  retry apt_get install -y --no-install-recommends "${installed[@]}"
}

# apt-get does not wait for another of these scripts that runs beside it, so they do.
apt_get() { as_root flock /run/lock/streamgauge-apt env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2; }

# Ends where there is no Rust; the version brings itself, by rust-toolchain.toml.
need_rust() {
  command -v cargo >/dev/null || { say "install Rust first: https://rustup.rs"; exit 1; }
}

# Fetches the jars that jvm/NAME/pom.xml lists, all at run time, into out/NAME/lib.
jars() {
  local project=jvm/$1 folder=$PWD/out/$1/lib
  if [ -f "$folder/.complete" ] && [ "$folder/.complete" -nt "$project/pom.xml" ]; then return; fi
  say "fetching the jars of $project"
  retry mvn -q -B -f "$project/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$folder"
  touch "$folder/.complete"
}

# Builds a Maven project when its jar is missing or older than its sources.
maven_jar() {
  local project=$1 jar
  jar=$project/target/$(basename "$project").jar
  if [ -f "$jar" ] && [ -z "$(find "$project/pom.xml" "$project/src" -newer "$jar" -print -quit)" ]; then return; fi
  say "building $project"
  retry mvn -q -B -f "$project/pom.xml" package -DskipTests
}
