//! Pages that can be followed from top to bottom: their manifests are written down, their commands are run, and what these
//! print is what the page says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::child::Gateway;
use crate::manifests::{copy, folder, tenants};
use crate::readme::{Example, examples, read};

/// What a page leaves out of an output: any lines in place of it, or none.
const LEFT_OUT: &str = "…";

/// `world`, a copy of `conf/tenants` with the manifests of a page, and `conf` beside it.
fn world(page: &str) -> TempDir {
    let home = folder(&[]);
    let world = home.path().join("world");
    fs::create_dir(&world).unwrap();
    copy(&tenants(), &world);
    std::os::unix::fs::symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf"), home.path().join("conf")).unwrap();
    for (path, manifests) in files(page) {
        assert!(path.starts_with("world/"), "{}: every manifest belongs into world", path.display());
        fs::write(home.path().join(path), manifests).unwrap();
    }
    home
}

/// The manifests of a page: blocks that begin with a comment of one word, the file they are for.
fn files(page: &str) -> Vec<(PathBuf, &str)> {
    let blocks = page.split("```yaml\n# ").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter_map(|block| block.split_once('\n')).map(|(path, text)| (PathBuf::from(path), text)).collect()
}

/// What a command prints in a folder. It may end with 1, as `check` does when something is wrong.
fn printed(command: &str, home: &Path, gateway: &Gateway) -> String {
    let ours = ["paifang check ", "paifang explain --manifests ", "curl "].iter().any(|word| command.starts_with(word));
    assert!(ours, "{command}: would ask another process than the test's");
    let settings = folder(&[(".curlrc", &format!("connect-to = \"::{}:\"\nmax-time = 20\n", gateway.address))]);
    let program = Path::new(env!("CARGO_BIN_EXE_paifang")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(home).stdin(Stdio::null());
    shell.env("PATH", format!("{}:{path}", program.display())).env("CURL_HOME", settings.path());
    String::from_utf8(shell.output().unwrap().stdout).unwrap().replace('\r', "")
}

/// A line as it is compared: seconds pass while a test runs.
fn shape(line: &str) -> String {
    let counts_down = ["retry-after: ", "ratelimit: "].iter().any(|field| line.starts_with(field));
    if counts_down { line.replace(|c: char| c.is_ascii_digit(), "") } else { line.to_owned() }
}

/// Whether the parts between what is left out stand in the output, in this order.
fn says(output: &str, page: &str) -> bool {
    let shapes = |text: &str| text.lines().map(shape).collect::<Vec<_>>();
    let (output, page) = (shapes(output), shapes(page));
    let parts: Vec<_> = page.split(|line| line == LEFT_OUT).collect();
    let mut rest = &*output;
    for (n, part) in parts.iter().enumerate() {
        let (first, last) = (n == 0, n + 1 == parts.len());
        let found = (0..=rest.len()).find(|&start| {
            rest[start..].starts_with(part) && (!last || start + part.len() == rest.len()) && (!first || start == 0)
        });
        let Some(start) = found else { return false };
        rest = &rest[start + part.len()..];
    }
    true
}

#[test]
fn what_is_left_out_is_marked() {
    assert!(says("a\nb\nc\n", "a\n…\nc\n") && says("a\nb\n", "…\nb\n") && says("a\nb\n", "a\n…\n"));
    assert!(says("a\n", "a\n…\n") && says("a\na\nb\n", "…\na\nb\n"));
    assert!(!says("a\nb\nc\n", "a\nc\n") && !says("a\nb\n", "a\n") && !says("b\na\n", "…\na\n…\nb\n…\n"));
    assert!(says("retry-after: 29\n", "retry-after: 30\n") && !says("age: 29\n", "age: 30\n"));
}

#[test]
fn a_product_team_gets_what_its_page_promises() {
    let page = read("src/docs/product-team.md");
    let home = world(&page);
    let (examples, files) = (examples(&page), files(&page));
    assert!(examples.len() >= 7 && files.len() >= 4, "{} commands, {} files", examples.len(), files.len());
    let gateway = Gateway::run(&home.path().join("world"), None);
    for Example { command, output } in examples {
        let printed = printed(&command, home.path(), &gateway);
        assert!(says(&printed, &output), "{command} prints:\n{printed}\nbut the page says:\n{output}");
    }
}
