/* Search without a server: pages opened from a file may not start workers, so the worker's code runs in a hidden frame.
   The one message channel that the search needs is kept: postMessage both ways, addEventListener, importScripts. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.onmessage = null;
      const frame = (this.frame = document.createElement("iframe"));
      frame.hidden = true;
      frame.srcdoc =
        "<!doctype html><script>" +
        "window.importScripts = (...urls) => Promise.all(urls.map(url => new Promise((done, failed) => {" +
        "const script = document.createElement('script'); script.src = url; script.onload = done;" +
        "script.onerror = failed; document.head.append(script); })));" +
        "window.postMessage = message => parent.dispatchEvent(new MessageEvent('from-frame', { data: message }));" +
        "<\/script><script src=\"" + String(url).replace(/"/g, "&quot;") + "\"><\/script>";
      this.ready = new Promise(done => { frame.onload = done; });
      window.addEventListener("from-frame", event => {
        const message = new MessageEvent("message", { data: event.data });
        if (this.onmessage) this.onmessage(message);
        this.dispatchEvent(message);
      });
      document.body.append(frame);
    }
    postMessage(message) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data: message })));
    }
    terminate() { this.frame.remove(); }
  };
}
