//! The actions of a user on a page, and checks of the page's contents.

use std::time::Duration;

use serde_json::{Value, json};

use super::Browser;

/// The longest time until a page shows the awaited content, in milliseconds. It is shorter than the time limit of a command.
const SHOWN: u32 = 50_000;

impl Browser {
    /// Opens an address, as typed into the address bar.
    pub async fn open(&mut self, url: &str) {
        self.send("Page.navigate", json!({"url": "about:blank"}))
            .await;
        self.send("Page.navigate", json!({"url": url})).await;
    }

    /// The value of an expression in the page; a promise is awaited.
    ///
    /// # Panics
    /// When the expression throws.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.send("Runtime.evaluate", parameters).await;
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page, and returns its value.
    ///
    /// # Panics
    /// When the expression is not true in time, with the text of the page.
    pub async fn until(&mut self, expression: &str) -> Value {
        let waiting = format!(
            "new Promise((resolve) => {{
                const began = performance.now();
                const check = () => {{
                    let value;
                    try {{ value = {expression}; }} catch (error) {{ value = undefined; }}
                    if (value) resolve(value);
                    else if (performance.now() - began > {SHOWN}) resolve(null);
                    else setTimeout(check, 30);
                }};
                check();
            }})"
        );
        let value = self.evaluate(&waiting).await;
        if value.is_null() {
            let text = self.text().await;
            panic!("the page does not show `{expression}`; its text is:\n{text}");
        }
        value
    }

    /// Waits until the page shows this text.
    pub async fn shows(&mut self, text: &str) {
        let expression = format!("document.body.innerText.includes({})", json!(text));
        self.until(&expression).await;
    }

    /// Waits until the page does not show this text.
    pub async fn hides(&mut self, text: &str) {
        let expression = format!("!document.body.innerText.includes({})", json!(text));
        self.until(&expression).await;
    }

    /// The text of the page, as a user sees it.
    pub async fn text(&mut self) -> String {
        let text = self.evaluate("document.body.innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Presses a key: a name as in `KeyboardEvent.key`, such as `Tab`, `Enter` or `a`.
    pub async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            " " => (32, " "),
            letter => (0, letter),
        };
        let mut down = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            down["text"] = json!(text);
        }
        self.send("Input.dispatchKeyEvent", down).await;
        let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.send("Input.dispatchKeyEvent", up).await;
    }

    /// Types a text.
    pub async fn type_text(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(&letter.to_string()).await;
        }
    }

    /// Presses Tab until the text or label of a focused link or control contains `text`.
    ///
    /// # Panics
    /// When 200 presses of Tab have not reached it.
    pub async fn tab_to(&mut self, text: &str) {
        let focused = "(() => { const e = document.activeElement; \
                       return e.matches('a, button, input, select, textarea, summary') \
                           ? `${e.getAttribute('aria-label') ?? ''} ${e.labels?.[0]?.innerText ?? ''} ${e.innerText}` : ''; })()";
        for _ in 0..200 {
            self.press("Tab").await;
            let found = self.evaluate(focused).await;
            if found.as_str().unwrap_or_default().contains(text) {
                return;
            }
        }
        panic!(
            "Tab does not lead to `{text}`; the page is:\n{}",
            self.text().await
        );
    }

    /// Waits for an element that matches a selector and whose text contains `text`, and clicks the first one.
    pub async fn click(&mut self, selector: &str, text: &str) {
        // The script finds and clicks the element in one turn, because the page may redraw the element at any time.
        let expression = format!(
            "(() => {{
                const found = [...document.querySelectorAll({})].find((e) => e.innerText.includes({}) && !e.disabled);
                found?.click();
                return found !== undefined;
            }})()",
            json!(selector),
            json!(text)
        );
        self.until(&expression).await;
    }

    /// Waits for an element that matches a selector, and sets the value of the first one.
    pub async fn fill(&mut self, selector: &str, value: &str) {
        let expression = format!(
            "(() => {{
                const found = document.querySelector({});
                if (found !== null) found.value = {};
                return found !== null;
            }})()",
            json!(selector),
            json!(value)
        );
        self.until(&expression).await;
    }

    /// Clicks the button of a dialog, and waits until the dialog closes, which happens when its change is done.
    pub async fn confirm(&mut self, button: &str) {
        self.click("dialog button", button).await;
        self.until("document.querySelector('dialog') === null")
            .await;
    }

    /// Sets the size of the window.
    pub async fn size(&mut self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.send("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Chooses the colour scheme that the user prefers: `light` or `dark`.
    pub async fn scheme(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.send("Emulation.setEmulatedMedia", json!({"features": features}))
            .await;
    }

    /// Waits until the page has not changed for this long.
    pub async fn settled(&mut self, quiet: Duration) {
        let expression = format!(
            "new Promise((resolve) => {{
                let timer = setTimeout(resolve, {0}, true);
                new MutationObserver(() => {{ clearTimeout(timer); timer = setTimeout(resolve, {0}, true); }})
                    .observe(document.body, {{ subtree: true, childList: true, characterData: true }});
            }})",
            quiet.as_millis()
        );
        self.evaluate(&expression).await;
    }
}
