"""The host of the Docker engine: this machine, a server reached by SSH, or a Linode VM."""
