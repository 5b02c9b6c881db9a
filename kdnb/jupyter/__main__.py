"""`python -m kdnb.jupyter -f FILE`: what the kernelspec starts."""

from __future__ import annotations

from ipykernel.kernelapp import IPKernelApp

from kdnb.jupyter.kernel import KdnbKernel

if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=KdnbKernel)
