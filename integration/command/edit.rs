//! Changes while requests run: each is live at once and costs none of them.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::child::Gateway;
use crate::client::{self, Client, until};
use crate::manifests::{self, GATEWAY, copy_of_quickstart, folder, route};

/// Requests at full speed, one after the other; each must be answered with 200.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<usize>>,
}

impl Load {
    /// One client that keeps its connection and one that does not.
    fn start(address: SocketAddr, host: &'static str, path: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let run = |mut ask: Box<dyn FnMut() -> client::Answer + Send>| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask();
                    assert_eq!(answer.status, 200, "{answer:?}");
                    count += 1;
                }
                count
            })
        };
        let mut kept = Client::connect(address).unwrap();
        let threads = vec![
            run(Box::new(move || kept.get(host, path).unwrap())),
            run(Box::new(move || client::get(address, host, path).unwrap())),
        ];
        Self { stop, threads }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            assert!(thread.join().expect("no request fails") > 0);
        }
    }
}

/// Waits until ten answers in a row are of one backend, so that no other has a share.
fn wait_for_backend(gateway: &Gateway, host: &str, path: &str, backend: &str) {
    let ten = || (0..10).map(|_| gateway.get(host, path).body).collect::<Vec<_>>();
    until(backend, ten, |bodies| bodies.iter().all(|body| body.starts_with(backend)));
}

#[test]
fn an_edited_weight_is_live_and_costs_no_request() {
    let folder = copy_of_quickstart();
    let gateway = Gateway::run(folder.path(), None);
    let load = Load::start(gateway.http(), "shop.example.com", "/cart");
    let file = folder.path().join("shop/storefront.yaml");
    let weights = |old: [u8; 2], new: [u8; 2]| {
        let text = |[one, two]: [u8; 2]| (format!("weight: {one}\n"), format!("weight: {two}\n"));
        let ((old_one, old_two), (new_one, new_two)) = (text(old), text(new));
        manifests::edit(&file, |yaml| {
            yaml.replace(&old_one, "\u{0}").replace(&old_two, &new_two).replace('\u{0}', &new_one)
        });
    };
    weights([90, 10], [0, 1]);
    for _ in 0..4 {
        wait_for_backend(&gateway, "shop.example.com", "/cart", "shop/cart-v2:");
        weights([0, 1], [1, 0]);
        wait_for_backend(&gateway, "shop.example.com", "/cart", "shop/cart-v1:");
        weights([1, 0], [0, 1]);
    }
    load.end();
}

#[test]
fn more_and_fewer_backends_cost_no_request() {
    let annotation = |count: usize| format!("paifang.dev/echo: \"{count}\"");
    let folder = folder(&[("gateway.yaml", GATEWAY), ("route.yaml", &route(&annotation(2)))]);
    let gateway = Gateway::run(folder.path(), None);
    let load = Load::start(gateway.http(), "any.example.com", "/");
    let endpoints = || {
        let dump: serde_json::Value = serde_json::from_str(&gateway.admin("/config_dump").body).unwrap();
        dump["table"]["backends"][0]["endpoints"].as_array().map_or(0, Vec::len)
    };
    until("two backends", endpoints, |count| *count == 2);
    let mut before = 2;
    for count in [1, 3, 1, 2] {
        let file = folder.path().join("route.yaml");
        manifests::edit(&file, |yaml| yaml.replace(&annotation(before), &annotation(count)));
        until("other backends", endpoints, |found| *found == count);
        before = count;
    }
    load.end();
}

#[test]
fn a_half_written_file_keeps_its_last_good_version() {
    let folder = copy_of_quickstart();
    let mut gateway = Gateway::run(folder.path(), None);
    let file = folder.path().join("blog/blog.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let half = good.find("backendRefs").unwrap();
    std::fs::write(&file, format!("{}backendRefs: [", &good[..half])).unwrap();
    let line = gateway.process.wait_for_line(&["blog.yaml:", "error"]);
    let search = gateway.get("blog.example.com", "/search");
    assert_eq!((search.status, &*search.body), (200, "shared/search: GET blog.example.com/search\n"), "{line}");
    // and it goes on from there
    std::fs::write(&file, good.replace("/search", "/find")).unwrap();
    until(
        "the mended file",
        || gateway.get("blog.example.com", "/find").body,
        |body| body.starts_with("shared/search"),
    );
    gateway.process.wait_for_line(&["no errors any more"]);
}

/// A folder as kubelet mounts a ConfigMap: files are links into a folder that is swapped by renaming a
/// link to it.
fn publish(root: &Path, version: &str, app: &str) {
    let data = root.join(version);
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("gateway.yaml"), GATEWAY).unwrap();
    let redirect =
        "name: NAME, filters: [{ type: RequestRedirect, requestRedirect: { hostname: NAME } }]".replace("NAME", app);
    let route = route("").replace("backendRefs: [{ name: app, port: 80 }]", &redirect);
    std::fs::write(data.join("route.yaml"), route).unwrap();
    symlink(version, root.join("..new")).unwrap();
    std::fs::rename(root.join("..new"), root.join("..data")).unwrap();
}

#[test]
fn a_swapped_configmap_volume_is_followed() {
    let folder = folder(&[]);
    publish(folder.path(), "..1", "one.example.com");
    for file in ["gateway.yaml", "route.yaml"] {
        symlink(Path::new("..data").join(file), folder.path().join(file)).unwrap();
    }
    let gateway = Gateway::run(folder.path(), None);
    assert_eq!(gateway.get("any.example.com", "/").status, 302);
    publish(folder.path(), "..2", "two.example.com");
    std::fs::remove_dir_all(folder.path().join("..1")).unwrap();
    let dump = || gateway.admin("/config_dump").body;
    until("the second version", dump, |dump| dump.contains("two.example.com") && !dump.contains("one.example.com"));
    assert_eq!(gateway.get("any.example.com", "/").status, 302);
}
