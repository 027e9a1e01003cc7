use super::fake::{Act, Fake};
use super::*;

/// Longer than any answer takes that comes.
const AGES: Duration = Duration::from_secs(20);

fn ask() -> Ask<'static> {
    let params = Params::new(Duration::from_secs(1), Duration::from_secs(10));
    Ask { key: b"k", params, cost: 1, mode: Mode::Enforce }
}

/// A store whose worker runs.
fn start(settings: Settings) -> Store {
    let (store, work) = open(Settings { pause: Duration::from_millis(1), ..settings });
    tokio::spawn(work);
    store
}

async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(AGES, met).await.expect("it happens in time");
}

/// A store that is connected, and whose calls have all the time they need.
async fn connected(fake: &Fake) -> Store {
    let store = start(Settings { deadline: AGES, ..fake.settings() });
    until(|| store.is_up()).await;
    store
}

fn allowed() -> Result<Allowed, Denied> {
    Ok(Allowed { remaining: 7, reset_after: Duration::from_micros(9) })
}

#[tokio::test]
async fn limits_are_asked_in_one_call() {
    let fake = Fake::start(&[]).await;
    let store = connected(&fake).await;
    assert_eq!(store.take(&[ask(), ask()]).await.unwrap().as_slice(), [allowed(), allowed()]);
    assert_eq!((fake.commands(), store.failed()), (vec!["EVALSHA".to_owned()], 0));
}

#[tokio::test]
async fn who_only_looks_says_so_and_is_no_failure() {
    let fake = Fake::start(&[Act::Allow, Act::Close]).await;
    let store = connected(&fake).await;
    assert_eq!(store.look(&[ask()]).await.unwrap().as_slice(), [allowed()]);
    assert_eq!(fake.words()[0].last().map(String::as_str), Some("look"));
    assert_eq!((store.look(&[ask()]).await, store.failed()), (Err(Unavailable::Disconnected), 0));
}

#[tokio::test]
async fn what_is_asked_during_a_round_trip_goes_out_together() {
    let fake = Fake::start(&[Act::Wait]).await;
    let store = connected(&fake).await;
    let call = |store: Store| tokio::spawn(async move { store.take(&[ask()]).await });
    let first = call(store.clone());
    until(|| fake.commands().len() == 1).await;
    let others: Vec<_> = (0..50).map(|_| call(store.clone())).collect();
    until(|| store.jobs.capacity() == QUEUE - 50).await;
    fake.open();
    for answered in others.into_iter().chain([first]) {
        assert!(answered.await.unwrap().is_ok());
    }
    assert_eq!((fake.batch(), fake.commands().len(), fake.connections()), (50, 51, 1));
}

#[tokio::test]
async fn a_server_that_forgot_the_script_is_told() {
    let fake = Fake::start(&[Act::Forget, Act::Allow, Act::Allow]).await;
    let store = connected(&fake).await;
    assert!(store.take(&[ask()]).await.is_ok());
    assert!(store.take(&[ask()]).await.is_ok());
    assert_eq!(fake.commands(), ["EVALSHA", "EVAL", "EVALSHA"]);
    assert!(fake.words()[1][1].contains("redis.call"));
    assert_eq!(fake.words()[0][2..], fake.words()[1][2..]);
}

#[tokio::test]
async fn of_a_batch_only_those_without_an_answer_are_sent_again() {
    let fake = Fake::start(&[Act::Wait, Act::Forget, Act::Forget, Act::Allow]).await;
    let store = connected(&fake).await;
    let call = |store: Store| tokio::spawn(async move { store.take(&[ask()]).await });
    let first = call(store.clone());
    until(|| fake.commands().len() == 1).await;
    let others: Vec<_> = (0..3).map(|_| call(store.clone())).collect();
    until(|| store.jobs.capacity() == QUEUE - 3).await;
    fake.open();
    for answered in others.into_iter().chain([first]) {
        assert!(answered.await.unwrap().is_ok());
    }
    assert_eq!(fake.commands()[4..], ["EVAL", "EVALSHA"]);
}

#[tokio::test]
async fn no_call_waits_longer_than_its_deadline_and_the_next_not_at_all() {
    let fake = Fake::start(&[Act::Wait]).await;
    let store = start(fake.settings());
    until(|| store.is_up()).await;
    assert_eq!(store.take(&[ask()]).await, Err(Unavailable::Late));
    until(|| !store.is_up()).await;
    assert_eq!(store.take(&[ask()]).await, Err(Unavailable::Disconnected));
    assert_eq!(store.failed(), 2);
    fake.open();
    until(|| store.is_up()).await;
    assert_eq!(fake.connections(), 1, "late is not broken");
}

#[tokio::test]
async fn a_server_that_hangs_is_left() {
    let fake = Fake::start(&[Act::Hang]).await;
    let store = start(fake.settings());
    until(|| store.is_up()).await;
    assert_eq!(store.take(&[ask()]).await, Err(Unavailable::Late));
    until(|| !store.is_up()).await;
    until(|| store.is_up()).await;
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_failure_is_known_at_once_and_mended_soon() {
    let failures = [
        Act::Close,
        Act::Say("HTTP/1.1 400 Bad Request\r\n"),
        Act::Say("*1\r\n:1\r\n"),
        Act::Say("-READONLY You can't write against a read only replica.\r\n"),
        Act::Say("*4\r\n:1\r\n:7\r\n:0\r\n:9\r\n+more\r\n"),
    ];
    for act in failures {
        let fake = Fake::start(&[act]).await;
        let store = connected(&fake).await;
        let answer = timeout(AGES / 2, store.take(&[ask()])).await.expect("long before the deadline");
        let is_extra = act == failures[4];
        assert_eq!(answer.err(), (!is_extra).then_some(Unavailable::Disconnected), "{act:?}");
        until(|| fake.connections() == 2 && store.is_up()).await;
        assert!(store.take(&[ask()]).await.is_ok(), "{act:?}");
    }
}

#[tokio::test]
async fn a_store_that_never_was_there_costs_no_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let store = start(Settings { deadline: AGES, ..Settings::new(Address::Tcp("127.0.0.1".to_owned(), port)) });
    assert_eq!(store.take(&[ask()]).await, Err(Unavailable::Disconnected));
}

#[tokio::test]
async fn who_asks_too_much_is_told() {
    let fake = Fake::start(&[Act::Wait]).await;
    let store = connected(&fake).await;
    let call = |store: Store| tokio::spawn(async move { store.take(&[ask()]).await });
    let first = call(store.clone());
    until(|| fake.commands().len() == 1).await;
    let others: Vec<_> = (0..QUEUE).map(|_| call(store.clone())).collect();
    until(|| store.jobs.capacity() == 0).await;
    assert_eq!(store.take(&[ask()]).await, Err(Unavailable::Overloaded));
    fake.open();
    for answered in others.into_iter().chain([first]) {
        assert!(answered.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_login_comes_first() {
    let login = |user: Option<&str>| Login { user: user.map(ToOwned::to_owned), password: "secret".to_owned() };
    for (user, words) in [(None, vec!["AUTH", "secret"]), (Some("gate"), vec!["AUTH", "gate", "secret"])] {
        let fake = Fake::start(&[Act::Say("+OK\r\n")]).await;
        let store = start(Settings { login: Some(login(user)), deadline: AGES, ..fake.settings() });
        until(|| store.is_up()).await;
        assert_eq!(fake.words(), [words]);
    }
    let fake = Fake::start(&[Act::Say("-WRONGPASS invalid\r\n"), Act::Say("-WRONGPASS invalid\r\n")]).await;
    let store = start(Settings { login: Some(login(None)), ..fake.settings() });
    until(|| fake.connections() == 3).await;
    until(|| store.is_up()).await;
}

#[tokio::test]
async fn the_work_ends_with_the_store() {
    let fake = Fake::start(&[]).await;
    let (store, work) = open(fake.settings());
    let work = tokio::spawn(work);
    until(|| store.is_up()).await;
    drop(store);
    timeout(AGES, work).await.expect("it ends").unwrap();
    let (store, work) = open(Settings::new(Address::Unix("/nowhere".into())));
    drop(store);
    timeout(AGES, work).await.expect("it ends without a server, too");
}
