// One sequence of pages; a page that asks shows its question first, and at the next press its picture.
const pages = [...document.querySelectorAll(".page")], root = document.documentElement
let at = 0, speaker = null, began = null

const show = (number, asking) => {
    at = number
    began ??= Date.now()
    pages.forEach((page, i) => page.hidden = i !== at)
    const page = pages[at]
    page.classList.toggle("asking", asking && page.classList.contains("asks"))
    unfold(page, false)
    page.focus({preventScroll: true})
    scrollTo(0, 0)
    if (location.hash.slice(1) !== page.id) history.replaceState(null, "", `#${page.id}`)
    tell()
}
const next = () => {
    const page = pages[at]
    if (page.classList.contains("asking")) {
        page.classList.remove("asking")
        tell()
    } else if (at + 1 < pages.length) show(at + 1, true)
    else if (AFTER) location.href = AFTER
}
const back = () => {
    const page = pages[at]
    if (page.classList.contains("asks") && !page.classList.contains("asking")) page.classList.add("asking")
    else if (at) show(at - 1, false)
    else if (BEFORE) location.href = BEFORE + "#end"
}
const unfold = (page, open) => {
    const code = page.querySelector(".code")
    if (!code) return
    code.hidden = !open
    page.querySelector(".fold").setAttribute("aria-expanded", String(open))
    if (open) code.focus()
}
const fold = () => unfold(pages[at], pages[at].querySelector(".code")?.hidden)
const fromAddress = () => {
    const name = decodeURIComponent(location.hash.slice(1))
    if (name === "end") return show(pages.length - 1, false)
    show(Math.max(pages.findIndex(page => page.id === name), 0), true)
}

// The speaker's window: the notes of the page, what comes next, and the time.
const tell = () => {
    if (!speaker || speaker.closed) return
    const page = pages[at], following = pages[at + 1], body = speaker.document.body
    body.replaceChildren()
    const add = (tag, content) => body.appendChild(Object.assign(speaker.document.createElement(tag), {innerHTML: content}))
    add("h2", `${at + 1} / ${pages.length}: ${page.querySelector(".claim").innerHTML}`)
    if (page.classList.contains("asking")) add("p", page.querySelector(".ask").innerHTML)
    add("div", page.querySelector(".notes").innerHTML)
    add("p", following ? `Next: ${following.querySelector(".claim").innerHTML}` : "The last page of this section.")
    const clock = add("p", "")
    clock.id = "clock"
    tick()
}
const tick = () => {
    const clock = speaker && !speaker.closed && speaker.document.getElementById("clock")
    const minutes = Math.floor((Date.now() - began) / 60000)
    if (clock) clock.textContent = `${minutes} minute${minutes === 1 ? "" : "s"} since the first page of this section`
}
const openNotes = () => {
    if (speaker && !speaker.closed) return speaker.focus()
    speaker = open("", `notes-${Date.now()}`, "width=900,height=700") // a name of its own: from disk, no section may touch another's
    if (!speaker) return
    speaker.document.title = "Notes"
    speaker.document.head.replaceChildren(document.querySelector("style").cloneNode(true))
    speaker.document.body.className = "speaker"
    speaker.onkeydown = pressed
    tell()
}
setInterval(tick, 1000)
addEventListener("pagehide", () => speaker?.close()) // the next section has notes of its own

// On a slider the arrow keys move it; Space and the keys of a clicker turn the page, and Escape leaves it.
const NEXT = ["ArrowRight", "ArrowDown", "PageDown", " ", "Enter"], BACK = ["ArrowLeft", "ArrowUp", "PageUp", "Backspace"]
const pressed = event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const target = event.target, field = target.matches?.("input, select"), key = event.key
    if (key === "Escape") {
        unfold(pages[at], false)
        return target.blur?.()
    }
    if (field && !["PageDown", "PageUp"].includes(key) && !(key === " " && target.type === "range")) return
    if (target.matches?.("a, button") && ["Enter", " "].includes(key)) return
    if (target.matches?.(".code") && key.startsWith("Arrow")) return
    const actions = {Home: () => show(0, true), End: () => show(pages.length - 1, false), s: openNotes, c: fold}
    const action = NEXT.includes(key) ? (key === " " && event.shiftKey ? back : next) : BACK.includes(key) ? back : actions[key]
    if (!action) return
    event.preventDefault()
    action()
}
addEventListener("keydown", pressed)
addEventListener("hashchange", fromAddress)
addEventListener("pointerup", event => event.target.matches?.("input[type=range]") && event.target.blur()) // arrows turn pages again
for (const [name, action] of Object.entries({back, next, fold})) {
    document.querySelectorAll(`footer .${name}`).forEach(button => button.addEventListener("click", () => {
        action()
        if (name !== "fold") pages[at].focus({preventScroll: true})
    }))
}
root.classList.add("talk")
fromAddress()
