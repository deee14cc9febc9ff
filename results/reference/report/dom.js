/* Elements, numbers, downloads. Text from data files becomes text nodes only, never markup. */
"use strict";

(() => {
  const NONE = "\u2013",
    MINUS = "\u2212";

  /* Create an element. `attributes`: names to values; `on...` are listeners, true and false set or omit a flag.
     `children`: nodes, texts, numbers or arrays of them; null is left out. */
  function h(tag, attributes = {}, ...children) {
    const svg = ["svg", "g", "rect", "text", "title", "line"].includes(tag);
    const element = svg
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    append(element, children);
    return element;
  }

  function append(element, children) {
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined) continue;
      element.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
  }

  /* Replace the children. The focus moves to the new element with the name of the one that had it. */
  function fill(element, ...children) {
    const focused = element.contains(document.activeElement) ? document.activeElement : null;
    const name = focused && identity(focused);
    element.replaceChildren();
    append(element, children);
    if (focused && focused !== element && !element.contains(document.activeElement)) {
      [...element.querySelectorAll(focused.tagName)]
        .find((one) => identity(one) === name)
        ?.focus({preventScroll: true});
    }
    return element;
  }

  const identity = (element) =>
    element.dataset.key ??
    element.getAttribute("aria-label") ??
    element.labels?.[0]?.textContent ??
    element.textContent;

  function number(value, digits, {sign = false} = {}) {
    if (value === null || value === undefined || Number.isNaN(value)) return NONE;
    const text = Math.abs(value).toLocaleString("en-US", {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      useGrouping: Math.abs(value) >= 10000
    });
    const zero = !/[1-9]/.test(text);
    if (value < 0 && !zero) return MINUS + text;
    return sign && !zero ? `+${text}` : text;
  }

  const rate = (value) =>
    value === null || value === undefined ? NONE : Number(value.toPrecision(4)).toString();

  function bytes(count) {
    for (const [unit, size] of [
      ["GB", 1e9],
      ["MB", 1e6],
      ["kB", 1e3]
    ]) {
      if (count >= size) return `${(count / size).toPrecision(3)} ${unit}`;
    }
    return `${count} bytes`;
  }

  /* Save a text or a blob as a file. */
  function download(name, content, type = "text/plain") {
    const blob = content instanceof Blob ? content : new Blob([content], {type});
    const url = URL.createObjectURL(blob);
    const link = h("a", {href: url, download: name});
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  /* Copy a text and confirm it on the button. Pages from files have no clipboard API in some browsers. */
  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = h("textarea", {class: "offscreen", "aria-hidden": "true"});
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    announce("Copied");
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1200);
  }

  /* Text for screen readers. */
  function announce(text) {
    document.getElementById("status").textContent = text;
  }

  function select(label, options, value, onchange) {
    const list = h(
      "select",
      {onchange: () => onchange(list.value)},
      options.map(([key, text]) => h("option", {value: key}, text))
    );
    list.value = value;
    return h("label", {class: "field"}, h("span", {}, label), list);
  }

  /* Buttons of which one is pressed. */
  function choice(label, options, value, onchange) {
    return h(
      "div",
      {class: "choice", role: "group", "aria-label": label},
      h("span", {class: "caption", "aria-hidden": "true"}, label),
      h(
        "span",
        {class: "buttons"},
        options.map(([key, text, hint]) =>
          h(
            "button",
            {
              type: "button",
              "aria-pressed": String(key === value),
              title: hint,
              onclick: () => onchange(key)
            },
            text
          )
        )
      )
    );
  }

  function dialog(title, ...children) {
    const box = h(
      "dialog",
      {"aria-label": title, onclose: () => box.remove()},
      h("header", {}, h("h2", {}, title), h("button", {type: "button", onclick: () => box.close()}, "Close")),
      children
    );
    box.addEventListener("click", (event) => event.target === box && box.close());
    document.body.append(box);
    box.showModal();
    return box;
  }

  window.Dom = {h, fill, number, rate, bytes, download, copy, announce, select, choice, dialog, NONE, MINUS};
})();
