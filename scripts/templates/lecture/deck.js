// Distribute each slide over as many pages as its contents need, then start reveal.js.
const WIDTH = 1280, ROOM = 660 // of 720 pixels
const height = one => one.getBoundingClientRect().height + 12

// What stays together, in order: a cell, or where a cell is taller than a page, each of its parts.
const atoms = section => [...section.querySelectorAll(":scope > .cell, :scope > .fragment > .cell")].flatMap(cell => {
    const moving = cell.parentElement.classList.contains("fragment")
    const parts = height(cell) > ROOM && cell.children.length > 1 ? [...cell.children] : [cell]
    return parts.map((part, i) => {
        const size = Math.max(height(part), 1)
        const block = document.createElement("div")
        if (part !== cell) block.className = cell.className
        if (moving) block.classList.add("fragment")
        return {block, part, size}
    })
})

const pack = section => {
    const pages = [[]]
    let used = 0
    for (const atom of atoms(section)) {
        const page = pages.at(-1)
        if (used + atom.size > ROOM && page.length) {
            const last = page.at(-1)
            const carried = page.length > 1 && /^H\d$/.test(last.part.tagName) ? [page.pop()] : []
            pages.push(carried)
            used = carried.reduce((sum, one) => sum + one.size, 0)
        }
        pages.at(-1).push(atom)
        used += atom.size
    }
    const full = page => page.reduce((sum, one) => sum + one.size, 0)
    for (let i = pages.length - 1; i > 0; i--) { // a page of a line or two goes to the page before, all a little smaller
        if (full(pages[i]) < ROOM / 4 && full(pages[i - 1]) + full(pages[i]) < 1.15 * ROOM) pages[i - 1].push(...pages.splice(i, 1)[0])
    }
    const emptied = section.querySelectorAll(":scope > .fragment")
    const notes = section.querySelector("aside.notes")
    const title = section.parentElement.querySelector("h1, h2")?.firstChild.textContent.trim()
    let after = section
    pages.forEach((page, number) => {
        const target = number ? document.createElement("section") : section
        if (number) {
            if (title) target.dataset.running = title
            after.after(target)
        }
        after = target
        page.forEach(({block, part}, i) => {
            target.append(block)
            block.append(part)
            if (i === 0) block.classList.remove("fragment") // a page never starts empty
            const zoom = ROOM / full(page)
            if (zoom < 1) block.style.zoom = Math.max(zoom, 0.5)
        })
        const free = ROOM - full(page)
        const pictures = target.querySelectorAll(".picture")
        if (pictures.length === 1) pictures[0].style.setProperty("--room", `${Math.min(Math.max(free, 0), 70)}px`)
        if (notes) target.append(number ? notes.cloneNode(true) : notes)
    })
    emptied.forEach(one => one.remove())
}

const start = async () => {
    await document.fonts.load("16px 'Lecture Math'")
    document.documentElement.classList.add("measuring")
    document.querySelectorAll(".slides > section > section").forEach(pack)
    document.documentElement.classList.remove("measuring")
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches
    await Reveal.initialize({
        width: WIDTH, height: 720, margin: 0.05, center: false, hash: true, slideNumber: "c/t", pdfSeparateFragments: false,
        transition: still ? "none" : "fade", transitionSpeed: "fast", backgroundTransition: "none", plugins: [RevealNotes],
    })
}

// On a slider the arrow keys move the slider and not the slide; the keys of a clicker still move the slide, and Escape leaves the slider.
document.querySelectorAll("input").forEach(input => input.addEventListener("keydown", event => {
    event.stopPropagation()
    if (event.key === "PageDown" || event.key === "PageUp") {
        event.preventDefault()
        event.key === "PageDown" ? Reveal.next() : Reveal.prev()
    }
    if (event.key === "Escape") input.blur()
}))
document.querySelectorAll("details.source > .highlight").forEach(one => one.tabIndex = 0) // it may scroll
start()
