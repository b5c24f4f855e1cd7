// Sliders over frames. Each position has a text, and pictures of what differs there from the default one, laid over it.
for (const figure of document.querySelectorAll(".explorer")) {
    const inputs = [...figure.querySelectorAll("input")], outputs = [...figure.querySelectorAll("output")]
    const image = figure.querySelector("img"), caption = figure.querySelector("figcaption")
    const canvas = document.createElement("canvas")
    let frames, newest = 0
    const load = () => frames ??= JSON.parse(document.getElementById(`${figure.id}-frames`).textContent)

    const show = async () => {
        const own = ++newest
        const {sliders, alts, shown, pictures} = load()
        const position = inputs.reduce((sum, input, i) => sum * sliders[i].texts.length + Number(input.value), 0)
        inputs.forEach((input, i) => {
            outputs[i].value = sliders[i].texts[input.value]
            input.setAttribute("aria-valuetext", outputs[i].value)
        })
        const layers = shown[position].map(number => pictures[number])
        if (layers.length) {
            const parts = layers.map(([, , content]) => Object.assign(new Image(), {src: `data:image/webp;base64,${content}`}))
            await Promise.all([image, ...parts].map(one => one.decode()))
            if (own !== newest) return // a later move has overtaken this one
            if (!canvas.isConnected) {
                canvas.width = image.naturalWidth
                canvas.height = image.naturalHeight
                canvas.setAttribute("role", "img")
                image.after(canvas)
            }
            const context = canvas.getContext("2d")
            context.drawImage(image, 0, 0)
            parts.forEach((part, i) => context.drawImage(part, layers[i][0], layers[i][1]))
            canvas.setAttribute("aria-label", alts[position])
        }
        image.alt = alts[position] // another position may have the same picture
        image.hidden = layers.length > 0
        canvas.hidden = !image.hidden
        caption.textContent = alts[position]
        figure.dispatchEvent(new CustomEvent("shown", {detail: position}))
    }
    const set = values => {
        inputs.forEach((input, i) => input.value = values[i])
        show()
    }
    const start = inputs.map(input => input.getAttribute("value"))
    let left = start
    inputs.forEach((input, i) => input.value = start[i]) // a browser that reloads a page keeps where they stood
    ;(window.requestIdleCallback ?? setTimeout)(load)
    inputs.forEach(input => input.addEventListener("input", show))
    addEventListener("beforeprint", () => {
        left = inputs.map(input => input.value)
        set(start)
    })
    addEventListener("afterprint", () => set(left))
}
