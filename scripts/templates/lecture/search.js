// Search the entries of all pages: each holds a place, a heading, and the words below it.
{
    const even = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[\u0370-\u03ff]/g, letter => letters[letter] ?? letter)
    const {letters, sections} = JSON.parse(document.getElementById("entries").textContent)
    const pages = sections.flatMap(([section, parts]) => parts.map(([place, title, text]) => ({section, place, title, text})))
    const field = document.querySelector("input[type=search]"), results = document.getElementById("results"), found = document.getElementById("found")
    const SHOWN = 40

    const score = (page, words) => {
        page.even ??= [even(page.title), even(page.text)]
        let sum = 0
        for (const word of words) {
            const times = page.even[1].split(word).length - 1, titled = page.even[0].includes(word)
            if (!times && !titled) return 0
            sum += 20 * titled + Math.min(times, 9)
        }
        return sum
    }

    // The words around the first one that was found; the text as it stands, cut between words.
    const around = (text, words) => {
        const pieces = text.split(" "), first = Math.max(0, pieces.findIndex(one => words.some(word => even(one).includes(word))))
        const shown = pieces.slice(Math.max(0, first - 12), first + 28), part = document.createElement("p")
        shown.forEach((one, i) => {
            const hit = words.some(word => even(one).includes(word))
            part.append(i ? " " : "", hit ? Object.assign(document.createElement("mark"), {textContent: one}) : one)
        })
        return part
    }

    const search = () => {
        const words = even(field.value).split(/\s+/).filter(Boolean)
        const ranked = words.length ? pages.map(page => [score(page, words), page]).filter(([points]) => points).sort((a, b) => b[0] - a[0]) : []
        if (words.length) found.textContent = `${ranked.length} ${ranked.length === 1 ? "place" : "places"} with “${field.value.trim()}”`
        results.replaceChildren(...ranked.slice(0, SHOWN).map(([, page]) => {
            const link = Object.assign(document.createElement("a"), {href: page.place, textContent: page.title})
            const row = document.createElement("li")
            row.append(link, page.title === page.section ? "" : ` · ${page.section}`, around(page.text, words))
            return row
        }))
    }
    field.value = new URLSearchParams(location.search).get("q") ?? ""
    field.addEventListener("input", search)
    search()
    field.focus()
}
