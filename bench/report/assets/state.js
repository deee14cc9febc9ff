/* The view of the page: one flat object of texts, kept in the fragment of the URL. Defaults are left out. */
"use strict";

(() => {
  const defaults = {};
  const listeners = [];
  let values = {};

  function read() {
    const parameters = new URLSearchParams(location.hash.slice(1));
    values = {};
    for (const [name, value] of parameters) {
      if (name in defaults) values[name] = value;
    }
  }

  function write() {
    const parameters = new URLSearchParams();
    for (const name of Object.keys(defaults)) {
      if (name in values && values[name] !== defaults[name]) parameters.set(name, values[name]);
    }
    const text = parameters.toString();
    const url = `#${text}`;
    if (location.hash.slice(1) === text) return;
    try {
      history.replaceState(null, "", url);
    } catch {
      location.hash = url;
    }
  }

  /* Items of a list are separated by ~. */
  const encode = (item) => item.replace(/%/g, "%25").replace(/~/g, "%7E");
  const decode = (item) => item.replace(/%7E/g, "~").replace(/%25/g, "%");

  const notify = (changed) => listeners.forEach((listener) => listener(changed));

  const State = {
    /* Declare names with their defaults. All values are texts. */
    declare(names) {
      Object.assign(defaults, names);
    },
    start() {
      read();
      addEventListener("hashchange", () => {
        const before = values;
        read();
        const names = Object.keys(defaults).filter((name) => before[name] !== values[name]);
        if (names.length) notify(names);
      });
    },
    get: (name) => values[name] ?? defaults[name],
    list: (name) => State.get(name).split("~").filter(Boolean).map(decode),
    has: (name, item) => State.list(name).includes(item),
    set(changes) {
      const names = Object.keys(changes).filter((name) => State.get(name) !== String(changes[name]));
      if (!names.length) return;
      for (const name of names) values[name] = String(changes[name]);
      write();
      notify(names);
    },
    toggle(name, item) {
      const items = State.list(name);
      const next = items.includes(item) ? items.filter((other) => other !== item) : [...items, item];
      State.setList(name, next);
    },
    setList: (name, items) => State.set({[name]: items.map(encode).join("~")}),
    /* Draw again what depends on a value, although it is the same. */
    refresh: (name) => notify([name]),
    onchange: (listener) => listeners.push(listener),
    /* A listener that runs before the others, such as one that shows the section that they draw. */
    beforeOthers: (listener) => listeners.unshift(listener)
  };
  window.State = State;
})();
