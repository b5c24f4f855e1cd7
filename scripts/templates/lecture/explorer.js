// Sliders over frames. Each position has a text, and a picture of what differs there from the default one.
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
        const picture = pictures[shown[position]]
        if (picture) {
            const part = new Image()
            part.src = `data:image/webp;base64,${picture[2]}`
            await Promise.all([part.decode(), image.complete || image.decode()])
            if (own !== newest) return // a later move has overtaken this one
            if (!canvas.isConnected) {
                canvas.width = image.naturalWidth
                canvas.height = image.naturalHeight
                canvas.setAttribute("role", "img")
                image.after(canvas)
            }
            const context = canvas.getContext("2d")
            context.drawImage(image, 0, 0)
            context.drawImage(part, picture[0], picture[1])
            canvas.setAttribute("aria-label", alts[position])
        }
        image.hidden = Boolean(picture)
        canvas.hidden = !picture
        caption.textContent = alts[position]
        figure.dispatchEvent(new CustomEvent("shown", {detail: position}))
    }
    const set = values => {
        inputs.forEach((input, i) => input.value = values[i])
        show()
    }
    const start = inputs.map(input => input.getAttribute("value"))
    let left = start
    set(start) // a browser that reloads a page keeps where its inputs stood
    inputs.forEach(input => input.addEventListener("input", show))
    addEventListener("beforeprint", () => {
        left = inputs.map(input => input.value)
        set(start)
    })
    addEventListener("afterprint", () => set(left))
}
