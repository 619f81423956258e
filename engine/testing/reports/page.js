for (const slider of document.querySelectorAll(".slider input")) {
  slider.addEventListener("input", () => slider.parentElement.style.setProperty("--cut", slider.value + "%"));
}
