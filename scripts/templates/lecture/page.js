// Fold all code; let the keyboard scroll what is wider than the page.
const fold = document.getElementById("fold")
fold?.addEventListener("click", () => {
    const open = fold.getAttribute("aria-pressed") === "true"
    document.querySelectorAll("details.source").forEach(one => one.open = open)
    fold.setAttribute("aria-pressed", String(!open))
})
if (matchMedia("(max-width: 75rem)").matches) document.querySelectorAll(".contents details").forEach(one => one.open = false)
const scrolls = () => document.querySelectorAll(".formula, .wide, .text :is(p, ul, ol)").forEach(one => {
    if (one.scrollWidth > one.clientWidth) one.tabIndex = 0
    else one.removeAttribute("tabindex")
})
addEventListener("resize", scrolls)
document.fonts.ready.then(scrolls)
