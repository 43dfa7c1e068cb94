"""`python -m avfer` is `avfer`."""

from avfer.cli import main

if __name__ == "__main__":
    main()
