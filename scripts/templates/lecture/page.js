// The book's own controls: light and dark, folded code, copying, the place in the contents, notes on links.
{
    const root = document.documentElement, all = selector => [...document.querySelectorAll(selector)]

    const theme = document.getElementById("theme"), system = matchMedia("(prefers-color-scheme: dark)")
    const dark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark"
    const named = () => theme.textContent = dark() ? "Light" : "Dark"
    theme.addEventListener("click", () => {
        root.dataset.theme = dark() ? "light" : "dark"
        keep("theme", root.dataset.theme)
        named()
    })
    system.addEventListener("change", named)
    named()

    const fold = document.getElementById("fold")
    const folded = hidden => {
        all("details.source").forEach(one => one.open = !hidden)
        fold.textContent = hidden ? "Show all code" : "Hide all code"
    }
    if (fold && kept("code")) folded(kept("code") === "hidden")
    fold?.addEventListener("click", () => {
        const hidden = fold.textContent === "Hide all code"
        keep("code", hidden ? "hidden" : "shown")
        folded(hidden)
    })

    for (const code of all(".highlight")) {
        const copy = Object.assign(document.createElement("button"), {type: "button", className: "copy", textContent: "Copy"})
        copy.addEventListener("click", async () => {
            await navigator.clipboard.writeText(code.querySelector("pre").textContent)
            copy.textContent = "Copied"
            setTimeout(() => copy.textContent = "Copy", 2000)
        })
        code.append(copy)
    }

    const search = document.querySelector("input[type=search]")
    search.form.addEventListener("submit", event => { // a sealed page may send no form
        event.preventDefault()
        location.href = `search.html?q=${encodeURIComponent(search.value)}`
    })

    // What is wider than the page scrolls, shows that it does, and can be reached by keyboard.
    const scrolls = () => all(".formula, .wide, pre, .text :is(p, ul, ol)").forEach(one => {
        const wide = one.scrollWidth > one.clientWidth + 1
        one.classList.toggle("scrolls", wide)
        if (wide) one.tabIndex = 0
        else one.removeAttribute("tabindex")
    })
    addEventListener("resize", scrolls)
    all("details").forEach(one => one.addEventListener("toggle", scrolls))
    document.fonts.ready.then(scrolls)

    // The heading that is read is marked in the contents, which are open at the side of a wide page only.
    const contents = document.getElementById("contents"), narrow = matchMedia("(max-width: 75rem)")
    const sized = () => contents.open = !narrow.matches
    narrow.addEventListener("change", sized)
    sized()
    const entries = new Map(all("#contents a[href^='#']").map(one => [decodeURIComponent(one.hash.slice(1)), one]))
    const headings = all("main :is(h2, h3)").filter(one => entries.has(one.id))
    let marked
    const mark = () => {
        const now = headings.findLast(one => one.getBoundingClientRect().top < innerHeight / 3)
        if (now?.id === marked) return
        entries.get(marked)?.removeAttribute("aria-current")
        marked = now?.id
        const entry = entries.get(marked), side = contents.closest("nav")
        if (!entry) return
        entry.setAttribute("aria-current", "location")
        if (!narrow.matches) side.scrollTop += entry.getBoundingClientRect().top - side.clientHeight / 2
    }
    addEventListener("scroll", mark, {passive: true})
    mark()

    // A note on a link, while the mouse or the focus is there: the reference or formula that it leads to, or the heading's words.
    const note = Object.assign(document.createElement("div"), {id: "note", hidden: true})
    note.setAttribute("role", "tooltip")
    document.body.append(note)
    let wait
    const hide = () => {
        clearTimeout(wait)
        note.hidden = true
        document.querySelector("[aria-describedby=note]")?.removeAttribute("aria-describedby")
    }
    const tell = link => {
        hide()
        const target = link.pathname === location.pathname && document.getElementById(decodeURIComponent(link.hash.slice(1)))
        const parts = /^(LI|P)$/.test(target?.tagName) ? [target.cloneNode(true)] : [link.dataset.note]
        for (let next = target; parts[0].tagName === "P" && parts.length < 5 && !/[.!?]\s*$/.test(next.textContent);) {
            next = next.nextElementSibling // a sentence that goes on in a formula
            if (!next) break
            parts.push(next.cloneNode(true))
        }
        note.replaceChildren(...(parts[0].tagName === "LI" ? parts[0].childNodes : parts))
        note.querySelectorAll("[id]").forEach(one => one.removeAttribute("id"))
        note.hidden = false
        link.setAttribute("aria-describedby", "note")
        const at = link.getBoundingClientRect(), size = note.getBoundingClientRect()
        note.style.left = `${scrollX + Math.max(8, Math.min(at.left, root.clientWidth - size.width - 8))}px`
        note.style.top = `${scrollY + (at.bottom + size.height > innerHeight ? at.top - size.height : at.bottom)}px`
    }
    for (const link of all("main a.cite, main a.word")) {
        link.addEventListener("mouseenter", () => { clearTimeout(wait); wait = setTimeout(tell, 150, link) })
        link.addEventListener("focus", () => tell(link))
        link.addEventListener("mouseleave", () => { clearTimeout(wait); wait = setTimeout(() => link.matches("[aria-describedby]") && hide(), 250) })
        link.addEventListener("blur", hide)
    }
    note.addEventListener("mouseenter", () => clearTimeout(wait))
    note.addEventListener("mouseleave", hide)

    addEventListener("keydown", event => {
        if (event.key === "Escape") hide()
        const typing = event.target.closest?.("input, textarea, select, [contenteditable]")
        if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
            event.preventDefault()
            search.focus()
        }
    })
}
